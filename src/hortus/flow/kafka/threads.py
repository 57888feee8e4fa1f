"""Blocking calls to the Kafka library, each with a bound: a hanging Kafka must not keep a process from ending.

All threads here are daemons. At exit, Python waits for those of an executor, and a call to the library that
waits for Kafka may never return.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")

_Call = tuple[Future[Any], Callable[[], Any]]


class OneThread:
    """A thread that makes all blocking calls to one client of the library, one after the other."""

    def __init__(self, name: str) -> None:
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        Thread(target=self._work, name=name, daemon=True).start()

    async def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call the function in the thread and return its result."""
        future: Future[T] = Future()
        self._calls.put((future, partial(function, *arguments)))
        return await asyncio.wrap_future(future)

    def end(self) -> None:
        """End the thread after the calls that it was given. Does not wait for them."""
        self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            future, function = call
            if future.set_running_or_notify_cancel():
                _complete(future, function)


def within(seconds: float, function: Callable[..., T], *arguments: Any) -> T:
    """Call the function and return its result, from a thread other than the event loop's.

    Raises TimeoutError after that many seconds; what was called goes on by itself then, and is abandoned.
    """
    future: Future[T] = Future()
    Thread(target=_complete, args=(future, partial(function, *arguments)), daemon=True).start()
    return future.result(seconds)


def _complete(future: Future[Any], function: Callable[[], Any]) -> None:
    try:
        result = function()
    except BaseException as error:  # noqa: BLE001  (raised where the result is awaited)
        future.set_exception(error)
    else:
        future.set_result(result)
