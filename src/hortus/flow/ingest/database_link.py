"""A worker's database connection, which is re-established after every failure."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Iterator

import asyncpg

from hortus.base.database.engine import CONNECTION_FAILURES
from hortus.base.errors import describe_error

log = logging.getLogger(__name__)

# Only these SQLSTATE classes point to faulty rows: data exceptions, integrity violations, values that are too
# large or nested too deeply for the server, and rows that meet themselves.
FAULT_OF_THE_ROWS = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    asyncpg.CardinalityViolationError,
)

# A value that one of our libraries cannot handle. It is in what some message says, so retrying does not help.
# Checked after CONNECTION_FAILURES: an invalid certificate, for one, is a ValueError as well.
UNFORESEEN_IN_ROWS = (ValueError, ArithmeticError, LookupError, TypeError)

Connect = Callable[[], Awaitable[asyncpg.Connection]]


class DatabaseLink:
    """One worker's connection: opened on demand, dropped on any failure, with backoff between attempts."""

    def __init__(self, connect: Connect, longest_pause_seconds: float) -> None:
        self._connect = connect
        self._longest_pause_seconds = longest_pause_seconds
        self._connection: asyncpg.Connection | None = None
        self._failures = 0

    async def connection(self) -> asyncpg.Connection:
        """Return the connection, opening a new one if the last was closed."""
        if self._connection is None or self._connection.is_closed():
            try:
                self._connection = await self._connect()
            except UNFORESEEN_IN_ROWS as error:  # no row is concerned yet: a host name that cannot be one
                raise ConnectionError(describe_error(error)) from error
        return self._connection

    @contextlib.contextmanager
    def at_most(self, seconds: float) -> Iterator[None]:
        """Abort the connection and raise TimeoutError if the block takes longer.

        Cancelling would not suffice: asyncpg would send a ROLLBACK and wait forever for an unresponsive server.
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
        """Record that the database has accepted a write, which resets the backoff."""
        if self._failures:
            log.warning("storing again after %d failed attempts", self._failures)
        self._failures = 0

    async def failed(self, error: BaseException) -> None:
        """Drop the connection and sleep, longer with each consecutive failure."""
        self.drop()
        if self._failures == 0:
            log.error("cannot store readings now (%s); they wait and nothing is lost", describe_error(error))
        self._failures += 1
        pause_seconds = min(self._longest_pause_seconds, 0.05 * 2.0 ** min(self._failures, 10))
        await asyncio.sleep(pause_seconds * random.uniform(0.5, 1.0))  # noqa: S311  (jitter, not a secret)

    def drop(self) -> None:
        """Close the connection without waiting for the server."""
        # Not a graceful close, which would wait for the answer of an unresponsive server.
        if self._connection is not None:
            with contextlib.suppress(asyncpg.InterfaceError):
                self._connection.terminate()
        self._connection = None
