"""Rolling up readings: per peripheral, quantity and hour, and from the hours per day (docs/series.md).

A transaction that adds readings also notes their hours (device time) as touched. A touched hour is recomputed
from its readings, so late, repeated and out-of-order readings need no special handling. Any number of processes
may roll up: a kit is processed by one at a time, under an advisory lock, and each computing statement starts
after the lock was acquired and the notes were deleted. So it sees all readings whose notes were deleted, and
every reading that an earlier computation saw.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg

from hortus.base.database.damage import is_damage
from hortus.base.database.engine import close_soon
from hortus.base.errors import describe_error
from hortus.base.supervision import note_success
from hortus.domain.plausibility.fragments import (
    ON_LIMITS,
    is_plausible_in,
    limits_where,
    supported_of_hours,
)
from hortus.domain.series.figures import FIGURES, FIGURES_OF_THE_NEW, OF_READINGS, OF_ROLLUPS
from hortus.domain.series.kit_lock import LOCK_KIT, TRY_LOCK_KIT
from hortus.domain.series.rechecking import recheck

log = logging.getLogger(__name__)

EVERY_SECONDS = 10.0
_HOURS_AT_ONCE = 100
# For a kit with ten series of one reading per second each, this is a second of work.
_HOURS_OF_A_REQUEST = 20
_BEFORE_ALL = datetime(1, 1, 1, tzinfo=UTC)

# A database that takes this long is considered gone; the job starts again with a new connection.
_LONGEST_SECONDS = 120.0
_ANSWER_SECONDS = 10.0


async def roll_up_for_ever(connect: Callable[[], Awaitable[asyncpg.Connection]]) -> None:
    """Roll up due hours periodically until cancelled. Raises the error of a failing database."""
    connection = await connect()
    try:
        while True:
            # Takes no time, so it also tells whether the connection still works.
            this_hour = await connection.fetchval(_START_OF_THIS_HOUR, timeout=_ANSWER_SECONDS)
            await recheck(connection)
            await roll_up(connection, this_hour)
            note_success()
            await asyncio.sleep(EVERY_SECONDS)
    finally:
        await close_soon(connection)


async def roll_up(connection: asyncpg.Connection, before: datetime) -> int:
    """Roll up all touched hours that start before `before`; return how many.

    The current hour is best left until it is over: the next reading would touch it again. Kits that other
    processes are working on are left to them.
    """
    done = 0
    for row in await connection.fetch(_KITS_DUE, before, timeout=_LONGEST_SECONDS):
        try:
            backlog = HoursToRollUp(kit_id=row["kit_id"], start=_BEFORE_ALL, end=before)
            while hours := await _roll_up_hours(connection, backlog, _HOURS_AT_ONCE):
                done += hours
                note_success()
        except asyncpg.PostgresError as error:
            if connection.is_closed():
                raise
            # A failing kit must not keep all others from being rolled up; it is retried next time.
            log.error(
                "cannot roll up the readings of the kit with id %d: %s",
                *(row["kit_id"], describe_error(error)),
                exc_info=None if is_damage(error) else error,
            )
    return done


@dataclass(frozen=True, slots=True, kw_only=True)
class HoursToRollUp:
    """The touched hours of one kit that a request waits for: those that start in this span (end exclusive)."""

    kit_id: int
    start: datetime
    end: datetime


async def roll_up_some(connection: asyncpg.Connection, backlog: HoursToRollUp, lock_seconds: float) -> int:
    """Roll up the newest hours of a backlog, few enough to take about a second; return how many.

    0 means that none are left, or that their peripherals are being deleted. If another process is working on
    the kit, this waits for it, because it does the same work. Raises asyncpg.LockNotAvailableError if that
    takes longer than `lock_seconds`, or the error of a failing database.
    """
    return await _roll_up_hours(connection, backlog, _HOURS_OF_A_REQUEST, lock_seconds)


async def touch_history(connection: asyncpg.Connection, kit_id: int) -> None:
    """Note all hours of this kit as touched, after readings were written without going through ingest."""
    await connection.execute(_TOUCH_HISTORY, kit_id)


class _KitIsChanging(Exception):
    """Peripherals of the kit are being deleted: their readings are gone soon, unless that is rolled back."""


async def _roll_up_hours(
    connection: asyncpg.Connection, backlog: HoursToRollUp, most: int, lock_seconds: float | None = None
) -> int:
    """Roll up some of the kit's hours, newest first; return how many, 0 if there is nothing to do now.

    Without `lock_seconds`, a kit that another process is working on is skipped.
    """
    try:
        async with _patience_for(connection), connection.transaction():
            # After a crash, this transaction's notes and rollups are lost together, so it need not be synced.
            await connection.execute("SET LOCAL synchronous_commit = off")
            if not await _lock_kit(connection, backlog.kit_id, lock_seconds):
                return 0
            due = await connection.fetch(_HOURS_DUE, backlog.kit_id, backlog.start, backlog.end, most)
            hours = [row["hour"] for row in due]
            if hours:
                await _compute(connection, backlog.kit_id, hours)
            return len(hours)
    except _KitIsChanging:
        return 0


async def _lock_kit(connection: asyncpg.Connection, kit_id: int, lock_seconds: float | None) -> bool:
    """Lock the kit until the end of the transaction; return whether that succeeded."""
    if lock_seconds is None:
        return bool(await connection.fetchval(TRY_LOCK_KIT, kit_id))
    await connection.execute(f"SET LOCAL lock_timeout = '{max(1.0, lock_seconds * 1000):.0f}ms'")
    await connection.execute(LOCK_KIT, kit_id)
    return True


async def _compute(connection: asyncpg.Connection, kit_id: int, hours: list[datetime]) -> None:
    """Delete the notes of these hours, and recompute the hours and their days. Raises _KitIsChanging."""
    await connection.execute(_TAKE_NOTES, kit_id, hours)
    peripheral_ids = await _hold_peripherals(connection, kit_id)
    changed = await connection.fetch(_COMPUTE_HOURS, kit_id, hours, peripheral_ids)
    await connection.execute(
        _COMPUTE_DAYS,
        [row["peripheral_id"] for row in changed],
        [row["quantity_type_id"] for row in changed],
        [row["day"] for row in changed],
    )


@asynccontextmanager
async def _patience_for(connection: asyncpg.Connection) -> AsyncIterator[None]:
    """Terminate the connection if its use takes too long, because even a rollback might hang for ever."""
    cutting = asyncio.get_running_loop().call_later(_LONGEST_SECONDS, connection.terminate)
    try:
        yield
    finally:
        cutting.cancel()


async def _hold_peripherals(connection: asyncpg.Connection, kit_id: int) -> list[int]:
    """Lock the kit's peripherals against deletion until the commit, as ingest does; return their ids.

    Raises _KitIsChanging if some are being deleted.
    """
    held = await connection.fetch(_HOLD_PERIPHERALS, kit_id)
    if len(held) != await connection.fetchval("SELECT count(*) FROM peripherals WHERE kit_id = $1", kit_id):
        raise _KitIsChanging
    return [row["id"] for row in held]


_START_OF_THIS_HOUR = "SELECT date_bin('1 hour', now(), 'epoch')"

# Skips from one kit to the next in the index: a kit has a note for each batch of the current hour.
_KITS_DUE = """
WITH RECURSIVE noted (kit_id) AS (
    SELECT min(kit_id) FROM series_touched_hours
    UNION ALL
    SELECT (SELECT min(t.kit_id) FROM series_touched_hours t WHERE t.kit_id > noted.kit_id)
    FROM noted WHERE noted.kit_id IS NOT NULL
)
SELECT kit_id FROM noted
WHERE EXISTS (SELECT FROM series_touched_hours t WHERE t.kit_id = noted.kit_id AND t.hour < $1)
"""

# Skips from one hour to the next in the index: each may be noted thousands of times.
_HOURS_DUE = """
WITH RECURSIVE due (hour) AS (
    SELECT max(hour) FROM series_touched_hours WHERE kit_id = $1 AND hour >= $2 AND hour < $3
    UNION ALL
    SELECT (SELECT max(t.hour) FROM series_touched_hours t
            WHERE t.kit_id = $1 AND t.hour >= $2 AND t.hour < due.hour)
    FROM due WHERE due.hour IS NOT NULL
)
SELECT hour FROM due WHERE hour IS NOT NULL LIMIT $4
"""

_TAKE_NOTES = "DELETE FROM series_touched_hours WHERE kit_id = $1 AND hour = ANY($2::timestamptz[])"

# Does not wait for locks: a kit with millions of readings takes minutes to delete.
_HOLD_PERIPHERALS = "SELECT id FROM peripherals WHERE kit_id = $1 ORDER BY id FOR KEY SHARE SKIP LOCKED"

_KEY = "peripheral_id, quantity_type_id"
_NEWER = (
    "CASE WHEN excluded.{0}_at {1} h.{0}_at OR h.{0}_at IS NULL THEN excluded.{0}_value ELSE h.{0}_value END"
)

# Readings are only ever added, or deleted with their whole peripheral. If an hour has fewer readings than when
# it was rolled up, rows were dropped to make room: then the earlier rollup is sealed, and later readings are
# rolled up beside it. An hour without readings is not changed.
_COMPUTE_HOURS = f"""
WITH {limits_where("p.id = ANY($3::int[])")}, hours AS MATERIALIZED (
    SELECT hour FROM unnest($2::timestamptz[]) AS t(hour)
), {supported_of_hours("hours")}, fresh AS MATERIALIZED (
    SELECT t.hour, r.*
    FROM hours t
    CROSS JOIN LATERAL (
        SELECT {_KEY}, {OF_READINGS}
        FROM (
            SELECT m.*, {is_plausible_in("t.hour")} AS plausible
            FROM raw_measurements m LEFT JOIN limits l {ON_LIMITS}
            WHERE m.kit_id = $1 AND m.datetime >= t.hour AND m.datetime < t.hour + interval '1 hour'
              AND m.peripheral_id = ANY($3::int[])
            OFFSET 0  -- judges each reading once, not once for each figure
        ) AS m
        GROUP BY {_KEY}
    ) r
), sealing AS (
    INSERT INTO series_hours AS h (hour, sealed, {_KEY}, {FIGURES})
    SELECT o.*
    FROM fresh f
    CROSS JOIN LATERAL (
        SELECT hour, true, {_KEY}, {FIGURES}
        FROM series_hours o
        WHERE o.peripheral_id = f.peripheral_id AND o.quantity_type_id = f.quantity_type_id
          AND o.hour = f.hour AND NOT o.sealed AND o.count + o.implausible > f.count + f.implausible
        OFFSET 0  -- or the planner might join with all hours that there are
    ) o
    ON CONFLICT ({_KEY}, hour, sealed) DO UPDATE SET
        first_value = {_NEWER.format("first", "<")}, first_at = least(h.first_at, excluded.first_at),
        last_value = {_NEWER.format("last", ">")}, last_at = greatest(h.last_at, excluded.last_at),
        minimum = least(h.minimum, excluded.minimum), maximum = greatest(h.maximum, excluded.maximum),
        sum = h.sum + excluded.sum, count = h.count + excluded.count,
        implausible = h.implausible + excluded.implausible,
        last_implausible_value = {_NEWER.format("last_implausible", ">")},
        last_implausible_at = greatest(h.last_implausible_at, excluded.last_implausible_at)
), stored AS (
    INSERT INTO series_hours (hour, sealed, {_KEY}, {FIGURES})
    SELECT hour, false, {_KEY}, {FIGURES} FROM fresh
    ON CONFLICT ({_KEY}, hour, sealed) DO UPDATE SET
        ({FIGURES}) = ROW ({FIGURES_OF_THE_NEW})
)
SELECT DISTINCT {_KEY}, date_bin('1 day', hour, 'epoch') AS day FROM fresh
"""  # noqa: S608  (our own constants)

_COMPUTE_DAYS = f"""
INSERT INTO series_days ({_KEY}, day, {FIGURES})
SELECT c.peripheral_id, c.quantity_type_id, c.day, d.*
FROM unnest($1::int[], $2::int[], $3::timestamptz[]) AS c({_KEY}, day)
CROSS JOIN LATERAL (
    SELECT {OF_ROLLUPS}
    FROM series_hours h
    WHERE h.peripheral_id = c.peripheral_id AND h.quantity_type_id = c.quantity_type_id
      AND h.hour >= c.day AND h.hour < c.day + interval '24 hours'
) d
ON CONFLICT ({_KEY}, day) DO UPDATE SET
    ({FIGURES}) = ROW ({FIGURES_OF_THE_NEW})
"""  # noqa: S608  (our own constants)

_TOUCH_HISTORY = """
INSERT INTO series_touched_hours (kit_id, hour)
SELECT DISTINCT kit_id, date_bin('1 hour', datetime, 'epoch') FROM raw_measurements WHERE kit_id = $1
"""
