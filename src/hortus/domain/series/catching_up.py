"""Rolling up what a request needs while the job is far behind or not running (docs/series.md).

Charts and lists are correct without rollups, but read the readings of all hours that are not rolled up. With
many such hours that takes too long, so the request itself rolls them up first. Its work is kept: the next
request, or a retry after a timeout, continues from there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import asyncpg
from sqlalchemy import DateTime, Integer, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.errors import OperationalError
from hortus.base.language.translation import gettext_noop
from hortus.domain.series.rollups import HoursToRollUp, roll_up_some

log = logging.getLogger(__name__)

_BEARABLE_HOURS = 24
"""Reading this many hours is as fast as rolling them up; a kit that was offline for a day leaves this many."""

_LONGEST_SECONDS = 20.0
_HANGING_SECONDS = 30.0
_AT_ONCE = 2

# Newest first, skipping from one hour to the next in the index: each may be noted thousands of times.
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
    """There is more to roll up than a request has time for. The hours rolled up so far are kept."""

    def __init__(self) -> None:
        super().__init__(
            gettext_noop("Many readings of this kit are still being summed up. Try again in a moment.")
        )


class CatchingUp:
    """Rolls up on behalf of requests; only a few at a time, because each loads the database."""

    def __init__(self, connect: Callable[[], Awaitable[asyncpg.Connection]]) -> None:
        self._connect = connect
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def catch_up(self, backlog: HoursToRollUp) -> None:
        """Roll up all hours of this backlog. Raises StillRollingUp, or the error of a failing database."""
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
        # On a database that hangs, even a rollback would wait for ever.
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
    """Return whether this backlog is so large that a request should roll it up first."""
    parameters = {
        "kit_id": backlog.kit_id,
        "start": backlog.start,
        "end": backlog.end,
        "bearable": _BEARABLE_HOURS,
    }
    return bool(await connection.scalar(_ARE_MANY, parameters))
