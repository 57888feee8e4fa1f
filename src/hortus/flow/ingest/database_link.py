"""A connection of one worker to the database, which outlives every failure of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Iterator

import asyncpg

from hortus.base.database.engine import CONNECTION_FAILURES

log = logging.getLogger(__name__)

Connect = Callable[[], Awaitable[asyncpg.Connection]]


class DatabaseLink:
    """One worker's connection: made when needed, dropped on any doubt, with pauses between failures."""

    def __init__(self, connect: Connect, longest_pause_seconds: float) -> None:
        self._connect = connect
        self._longest_pause_seconds = longest_pause_seconds
        self._connection: asyncpg.Connection | None = None
        self._failures = 0

    async def connection(self) -> asyncpg.Connection:
        """Return the connection, made anew if the last one is gone."""
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._connect()
        return self._connection

    @contextlib.contextmanager
    def at_most(self, seconds: float) -> Iterator[None]:
        """Break the connection off when this takes longer, and raise TimeoutError.

        Cancelling would not end it: asyncpg would begin a ROLLBACK, and wait for ever for a server that hangs.
        """
        is_late = False

        def give_up() -> None:
            nonlocal is_late
            is_late = True
            self.drop()

        timer = asyncio.get_running_loop().call_later(seconds, give_up)
        try:
            yield
        except CONNECTION_FAILURES as error:
            if is_late:
                raise TimeoutError from error
            raise
        finally:
            timer.cancel()

    def succeeded(self) -> None:
        """Note that the database has taken something."""
        if self._failures:
            log.warning("storing again after %d failed attempts", self._failures)
        self._failures = 0

    async def failed(self, error: BaseException) -> None:
        """Drop the connection and wait, longer with each failure in a row."""
        self.drop()
        if self._failures == 0:
            log.error("cannot store readings now (%s); they wait and nothing is lost", describe(error))
        self._failures += 1
        pause_seconds = min(self._longest_pause_seconds, 0.05 * 2.0 ** min(self._failures, 10))
        await asyncio.sleep(pause_seconds * random.uniform(0.5, 1.0))  # noqa: S311  (jitter, not a secret)

    def drop(self) -> None:
        """End the connection without asking the server."""
        # Not a graceful close: a server that hangs would make us wait for its answer.
        if self._connection is not None:
            with contextlib.suppress(asyncpg.InterfaceError):
                self._connection.terminate()
        self._connection = None


def describe(error: BaseException) -> str:
    """Return what went wrong with the database, in words."""
    if isinstance(error, TimeoutError):
        return "the database does not answer"
    return str(error) or type(error).__name__
