"""Rolling up what a request needs while the job is far behind, or does not run at all (docs/series.md).

A chart or a list is right whatever is rolled up, but reads the readings of all hours that are not. With many
of them that takes too long, so the request itself rolls them up first. What it did stays done: whoever asks
next, or again because the time did not suffice, goes on from there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import asyncpg
from sqlalchemy import DateTime, Integer, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.errors import OperationalError
from hortus.domain.series.rollups import HoursToRollUp, roll_up_some

log = logging.getLogger(__name__)

_BEARABLE_HOURS = 24
"""So many are read as quickly as rolled up; a kit that was offline for a day leaves them."""

_LONGEST_SECONDS = 20.0
_HANGING_SECONDS = 30.0
_AT_ONCE = 2

# Newest first, from one hour to the next in the index: each may have been noted thousands of times.
_ARE_MANY = text(
    """
    WITH RECURSIVE due (hour) AS (
        SELECT max(hour) FROM series_touched_hours
        WHERE kit_id = :kit_id AND hour >= :start AND hour < :end
        UNION ALL
        SELECT (SELECT max(t.hour) FROM series_touched_hours t
                WHERE t.kit_id = :kit_id AND t.hour >= :start AND t.hour < due.hour)
        FROM due WHERE due.hour IS NOT NULL
    )
    SELECT count(*) > :bearable FROM (SELECT FROM due WHERE hour IS NOT NULL LIMIT :bearable + 1) AS hours
    """
).bindparams(
    *(bindparam(name, type_=DateTime(timezone=True)) for name in ("start", "end")),
    *(bindparam(name, type_=Integer()) for name in ("kit_id", "bearable")),
)


class StillRollingUp(OperationalError):
    """More is to be rolled up for a request than fits into its time. What was done stays done."""

    def __init__(self) -> None:
        super().__init__("Many readings of this kit are not summed up yet. That goes on; ask again soon.")


class CatchingUp:
    """Rolls up for requests of this process: few at a time, since each takes a share of the database."""

    def __init__(self, connect: Callable[[], Awaitable[asyncpg.Connection]]) -> None:
        self._connect = connect
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def catch_up(self, backlog: HoursToRollUp) -> None:
        """Roll up all hours of this backlog. Raises StillRollingUp, and what a failing database raises."""
        deadline = asyncio.get_running_loop().time() + _LONGEST_SECONDS
        try:
            async with asyncio.timeout_at(deadline):
                await self._turns.acquire()
        except TimeoutError as error:
            raise StillRollingUp from error
        try:
            await self._catch_up_until(deadline, backlog)
        finally:
            self._turns.release()

    async def _catch_up_until(self, deadline: float, backlog: HoursToRollUp) -> None:
        loop = asyncio.get_running_loop()
        connection = await self._connect()
        # Even a rollback would wait for ever for a database that hangs.
        cutting = loop.call_later(_HANGING_SECONDS, connection.terminate)
        done = 0
        try:
            while hours := await roll_up_some(connection, backlog, deadline - loop.time()):
                done += hours
                if loop.time() > deadline:
                    raise StillRollingUp
        except asyncpg.LockNotAvailableError as error:
            raise StillRollingUp from error
        finally:
            cutting.cancel()
            connection.terminate()
            if done:
                log.warning(
                    "rolled up %d hours of the kit with id %d for a request: is `hortus jobs` running?",
                    done,
                    backlog.kit_id,
                )


async def is_far_behind(connection: AsyncConnection, backlog: HoursToRollUp) -> bool:
    """Return whether so many hours of this backlog wait that a request should roll them up first."""
    parameters = {
        "kit_id": backlog.kit_id,
        "start": backlog.start,
        "end": backlog.end,
        "bearable": _BEARABLE_HOURS,
    }
    return bool(await connection.scalar(_ARE_MANY, parameters))
