"""Shared answers: concurrent callers with the same question share one result, so many cost as much as one."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class SharedAnswers(Generic[Answer]):
    """Caches each answer for `keep_seconds` after it was requested; at most `capacity` of them."""

    def __init__(self, *, keep_seconds: float, capacity: int) -> None:
        self._keep_seconds = keep_seconds
        self._capacity = capacity
        self._answers: OrderedDict[Hashable, tuple[float, asyncio.Task[Answer]]] = OrderedDict()

    async def get(self, key: Hashable, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """Return the cached answer to `key`, calling `ask` only if there is none or it has expired.

        A failure is raised to everyone waiting for it, and not cached.
        """
        now = time.monotonic()
        until, answer = self._answers.get(key, (0.0, None))
        if answer is None or (until <= now and answer.done()) or _failed(answer):
            answer = asyncio.ensure_future(_as_coroutine(ask))
            self._answers[key] = (now + self._keep_seconds, answer)
            self._answers.move_to_end(key)
            if len(self._answers) > self._capacity:
                self._answers.popitem(last=False)
        # Shielded: the other callers still wait for it when this one is cancelled.
        return await asyncio.shield(answer)

    def forget(self, key: Hashable) -> None:
        """Drop the cached answer, because the caller has just changed something."""
        self._answers.pop(key, None)


async def _as_coroutine(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    return await ask()


def _failed(answer: asyncio.Task[Answer]) -> bool:
    return answer.done() and (answer.cancelled() or answer.exception() is not None)
