"""Changed limits apply to readings of before: the job finds and recomputes the rollups that they affect."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest
import pytest_asyncio
from series_nursery import (
    AFTER_ALL,
    LIMITS,
    START,
    Nursery,
    Reading,
    make_nursery,
    plain_rollups,
    rollups,
    set_limits,
)

from hortus.base.database.engine import open_engine
from hortus.base.database.partitions import Month
from hortus.base.database.url import DatabaseUrl
from hortus.domain.plausibility.rules import UNLIMITED
from hortus.domain.series.charts import Span
from hortus.domain.series.rechecking import recheck
from hortus.domain.series.rollups import roll_up

HOUR_MS = 3_600_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nursery(module_database_url: str) -> Nursery:
    return await make_nursery(module_database_url)


@pytest.fixture
async def connection(nursery: Nursery) -> AsyncIterator[asyncpg.Connection]:
    opened = await nursery.connect()
    await nursery.forget(opened)
    await set_limits(opened, LIMITS)
    await opened.execute("TRUNCATE series_rechecks")
    yield opened
    await opened.close()


def readings_of(*values: float) -> list[Reading]:
    """Return one reading for each hour."""
    return [Reading(offset_ms=hour * HOUR_MS, value=value) for hour, value in enumerate(values)]


async def touched_hours(connection: asyncpg.Connection) -> list[int]:
    rows = await connection.fetch("SELECT DISTINCT hour FROM series_touched_hours ORDER BY hour")
    return [(row["hour"] - START) // timedelta(hours=1) for row in rows]


async def test_only_hours_that_new_limits_affect_are_noted_and_recomputed(
    nursery: Nursery, connection: asyncpg.Connection
) -> None:
    await set_limits(connection, UNLIMITED)
    readings = readings_of(20.0, 85.0, 21.0, -127.0, -20.0, 40.0, 22.0)
    await nursery.store(connection, readings)
    await roll_up(connection, AFTER_ALL)
    assert [row["implausible"] for row in await rollups(connection, "series_hours")] == [0] * 7

    await set_limits(connection, LIMITS)
    assert await recheck(connection) == len(nursery.peripherals)
    assert await touched_hours(connection) == [1, 3, 4, 5]
    assert await roll_up(connection, AFTER_ALL) == 4
    assert await rollups(connection, "series_hours") == plain_rollups(nursery, readings, "hour")
    assert await rollups(connection, "series_days") == plain_rollups(nursery, readings, "day")
    assert await recheck(connection) == 0


async def test_readings_that_wider_limits_allow_count_again(
    nursery: Nursery, connection: asyncpg.Connection
) -> None:
    readings = readings_of(20.0, 85.0, 21.0)
    await nursery.store(connection, readings)
    await roll_up(connection, AFTER_ALL)
    assert [row["count"] for row in await rollups(connection, "series_hours")] == [1, 0, 1]

    await set_limits(connection, dataclasses.replace(LIMITS, maximum=90.0))
    await recheck(connection)
    assert await touched_hours(connection) == [1]
    await roll_up(connection, AFTER_ALL)
    assert [row["maximum"] for row in await rollups(connection, "series_hours")] == [20.0, 85.0, 21.0]


async def test_a_chart_is_right_as_soon_as_the_affected_hours_are_noted(
    nursery: Nursery, connection: asyncpg.Connection
) -> None:
    await set_limits(connection, UNLIMITED)
    await nursery.store(connection, readings_of(20.0, 85.0, 21.0))
    await roll_up(connection, AFTER_ALL)
    await set_limits(connection, LIMITS)
    await recheck(connection)
    async with open_engine(DatabaseUrl.parse(nursery.url)) as engine:
        points = await nursery.chart(engine, Span(START, START + timedelta(days=40)), 1)
    assert (points.maximum, points.count, points.implausible_count) == ([21.0], [2], [1])


async def test_a_kit_that_is_being_rolled_up_is_rechecked_later(
    nursery: Nursery, connection: asyncpg.Connection
) -> None:
    await set_limits(connection, LIMITS)
    other = await nursery.connect()
    async with other.transaction():
        await other.execute("SELECT pg_advisory_xact_lock(hashtext('hortus rollups'), $1)", nursery.kit.id)
        assert await recheck(connection) == 0
    await other.close()
    assert await recheck(connection) == len(nursery.peripherals)


async def test_rollups_of_dropped_readings_stay_as_they_are(
    nursery: Nursery, connection: asyncpg.Connection
) -> None:
    await set_limits(connection, UNLIMITED)
    await nursery.store(connection, readings_of(85.0))
    await roll_up(connection, AFTER_ALL)
    await connection.execute(f"TRUNCATE {Month.of(START).partition_of('raw_measurements')}")
    before = await rollups(connection, "series_hours")
    await set_limits(connection, LIMITS)
    await recheck(connection)
    await roll_up(connection, AFTER_ALL)
    assert await rollups(connection, "series_hours") == before


async def test_limits_that_do_not_change_have_nothing_recomputed(
    nursery: Nursery, connection: asyncpg.Connection
) -> None:
    from hortus.domain.definitions.store import load_definitions

    async with open_engine(DatabaseUrl.parse(nursery.url)) as engine:
        async with engine.begin() as opened:
            await load_definitions(opened)  # adds the built-in limits that the nursery lacks
        await connection.execute("TRUNCATE series_rechecks")
        async with engine.begin() as opened:
            await load_definitions(opened)
    assert await connection.fetchval("SELECT count(*) FROM series_rechecks") == 0
    own = await connection.fetchval(
        "SELECT maximum FROM plausible_limits WHERE quantity_type_id = 1 AND peripheral_definition_id IS NULL"
    )
    assert own == LIMITS.maximum  # what people set stays
