"""Rollups equal a plain aggregate over the readings, in whatever order these arrive and whoever rolls up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from series_nursery import (
    AFTER_ALL,
    LIMITS,
    PRESSURE,
    START,
    TEMPERATURE,
    Nursery,
    Reading,
    columns_of,
    make_nursery,
    plain_points,
    plain_rollups,
    rollups,
    set_limits,
)

from hortus.base.database.engine import CONNECTION_FAILURES, open_engine
from hortus.base.database.partitions import Month
from hortus.base.database.url import DatabaseUrl
from hortus.domain.plausibility.rules import UNLIMITED
from hortus.domain.series.charts import Span
from hortus.domain.series.rollups import HoursToRollUp, roll_up, roll_up_some, touch_history
from waiting import PATIENCE_SECONDS

HOUR_MS = 3_600_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nursery(module_database_url: str) -> Nursery:
    return await make_nursery(module_database_url)


@pytest.fixture
async def connection(nursery: Nursery) -> AsyncIterator[asyncpg.Connection]:
    opened = await nursery.connect()
    await nursery.forget(opened)
    yield opened
    await opened.close()


readings = st.builds(
    Reading,
    # Few hours around the end of a day, and often the same moment.
    offset_ms=st.integers(0, 7 * 12).map(lambda step: step * 300_000) | st.integers(0, 8 * HOUR_MS),
    # Often an error value of the nursery's limits, or one that decides about it.
    value=st.integers(-400, 400).map(lambda number: number / 4)
    | st.sampled_from([-20.0, 40.0, 40.0, 45.0, 45.25, 35.0, 7.5, -50.0, -50.25, 60.0, 60.25]),
    peripheral=st.sampled_from([0, 1, 3]),
    quantity_type=st.sampled_from([TEMPERATURE, PRESSURE]),
    id=st.uuids().map(lambda identifier: identifier.bytes),
)


@st.composite
def histories(draw: st.DrawFn) -> list[list[Reading] | int]:
    """Batches, with repetitions of what came before, and between them jobs: one, or two at once.

    Or (3) a job and requests at once that roll up what they need.
    """
    pool = draw(st.lists(readings, min_size=1, max_size=30, unique_by=lambda reading: reading.id))
    return draw(
        st.lists(
            st.lists(st.sampled_from(pool), min_size=1, max_size=8) | st.sampled_from([1, 2, 3]),
            min_size=1,
            max_size=10,
        )
    )


@given(
    history=histories(),
    hours=st.integers(0, 9),
    wished=st.sampled_from([1, 2, 5, 20, 500]),
    width=st.sampled_from([1, 8, 40 * 24]),
)
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_any_order_of_batches_and_jobs_gives_the_plain_aggregate(
    nursery: Nursery, history: list[list[Reading] | int], hours: int, wished: int, width: int
) -> None:
    connections = [await nursery.connect() for _ in range(3)]
    first, second, third = connections
    stored: list[Reading] = []
    before = START + timedelta(hours=hours)
    span = Span(START + timedelta(minutes=17), START + timedelta(minutes=17, hours=width))
    try:
        async with open_engine(DatabaseUrl.parse(nursery.url)) as engine:
            await nursery.forget(first)
            for step in history:
                if isinstance(step, list):
                    # While it is stored, a job works: notes and readings become visible at any moment.
                    await asyncio.gather(nursery.store(third, step), roll_up(first, before))
                    stored += step
                elif step == 3:
                    backlog = HoursToRollUp(kit_id=nursery.kit.id, start=span.start, end=before)
                    await asyncio.gather(
                        roll_up(first, before), *(roll_up_some(each, backlog, 30) for each in (second, third))
                    )
                else:
                    await asyncio.gather(*(roll_up(each, before) for each in (first, second)[:step]))
                points = await nursery.chart(engine, span, wished)
                assert columns_of(points) == plain_points(stored, {0, 3}, points)
            await asyncio.gather(roll_up(first, AFTER_ALL), roll_up(second, AFTER_ALL))
            await roll_up(first, AFTER_ALL)
            points = await nursery.chart(engine, span, wished)
            assert columns_of(points) == plain_points(stored, {0, 3}, points)
        assert await first.fetchval("SELECT count(*) FROM series_touched_hours") == 0
        assert await rollups(first, "series_hours") == plain_rollups(nursery, stored, "hour")
        assert await rollups(first, "series_days") == plain_rollups(nursery, stored, "day")
    finally:
        for each in connections:
            await each.close()


async def test_an_hour_whose_readings_were_dropped_keeps_its_rollup_and_takes_what_comes_late(
    nursery: Nursery, connection: asyncpg.Connection
) -> None:
    dropped = [Reading(offset_ms=minute * 60_000, value=float(minute)) for minute in range(5)]
    await nursery.store(connection, dropped)
    await roll_up(connection, AFTER_ALL)
    await connection.execute(f"TRUNCATE {Month.of(START).partition_of('raw_measurements')}")

    late = [Reading(offset_ms=600_000, value=-3.0), Reading(offset_ms=900_000, value=100.0)]
    stored = list(dropped)
    async with open_engine(DatabaseUrl.parse(nursery.url)) as engine:
        for reading in late:
            await nursery.store(connection, [reading])
            stored.append(reading)
            for _ in range(2):  # before a job takes note of it, and after
                points = await nursery.chart(engine, Span(START, START + timedelta(hours=1)), 1)
                assert columns_of(points) == plain_points(stored, {0, 3}, points)
                await roll_up(connection, AFTER_ALL)
    hours = await rollups(connection, "series_hours")
    counts = [(hour["sealed"], hour["count"], hour["implausible"]) for hour in hours]
    assert counts == [(False, 1, 1), (True, 5, 0)]  # 100 °C is above the limit
    assert await rollups(connection, "series_days") == plain_rollups(nursery, stored, "day")

    # The rows are dropped once more: the sealed share grows.
    await connection.execute(f"TRUNCATE {Month.of(START).partition_of('raw_measurements')}")
    last = Reading(offset_ms=1_200_000, value=7.5)
    await nursery.store(connection, [last])
    await roll_up(connection, AFTER_ALL)
    assert await rollups(connection, "series_days") == plain_rollups(nursery, [*stored, last], "day")


async def test_a_deleted_peripheral_takes_its_share_with_it_even_while_a_job_works(
    nursery: Nursery, connection: asyncpg.Connection
) -> None:
    async with connection.transaction():
        doomed = await connection.fetchval(
            "INSERT INTO peripherals "
            "(kit_id, kit_configuration_id, peripheral_definition_id, name, configuration) "
            "SELECT kit_id, kit_configuration_id, peripheral_definition_id, 'Doomed', configuration "
            "FROM peripherals WHERE id = $1 RETURNING id",
            nursery.peripherals[0].id,
        )
    with_doomed = Nursery(nursery.url, nursery.kit, [*nursery.peripherals, nursery.peripherals[0]])
    with_doomed.peripherals[-1] = type(nursery.peripherals[0])(id=doomed, name="Doomed", quantity_types=(1,))
    stays = Reading(offset_ms=0, value=1.0)
    await with_doomed.store(connection, [stays, Reading(offset_ms=0, value=2.0, peripheral=-1)])

    deleting = await nursery.connect()
    transaction = deleting.transaction()
    await transaction.start()
    await deleting.execute("SELECT id FROM peripherals WHERE id = $1 FOR UPDATE", doomed)
    assert await roll_up(connection, AFTER_ALL) == 0  # it does not wait for a delete that may take minutes
    await transaction.rollback()
    assert await roll_up(connection, AFTER_ALL) == 1  # and nothing is lost if the delete is undone
    assert len(await rollups(connection, "series_hours")) == 2

    await deleting.execute("DELETE FROM raw_measurements WHERE peripheral_id = $1", doomed)
    await deleting.execute("DELETE FROM peripherals WHERE id = $1", doomed)
    await deleting.close()
    for table, span in (("series_hours", "hour"), ("series_days", "day")):
        assert await rollups(connection, table) == plain_rollups(nursery, [stays], span)


async def test_values_that_are_absurd_but_stored_stop_neither_job_nor_chart(
    nursery: Nursery, connection: asyncpg.Connection
) -> None:
    await set_limits(connection, UNLIMITED)
    absurd = [Reading(offset_ms=step, value=1.7e308) for step in range(3)]
    await nursery.store(connection, absurd)
    async with open_engine(DatabaseUrl.parse(nursery.url)) as engine:
        for _ in range(2):
            for span in (Span(START, START + timedelta(hours=1)), Span(START, START + timedelta(days=60))):
                points = await nursery.chart(engine, span, 2)
                assert points.count == [3]
                assert points.maximum == [1.7e308]
            assert await roll_up(connection, AFTER_ALL) in {0, 1}
    await set_limits(connection, LIMITS)


async def test_notes_of_a_kit_that_is_gone_are_cleared_away(
    nursery: Nursery, connection: asyncpg.Connection
) -> None:
    await connection.execute("INSERT INTO series_touched_hours (kit_id, hour) VALUES (2147483647, $1)", START)
    await roll_up(connection, AFTER_ALL)
    assert await connection.fetchval("SELECT count(*) FROM series_touched_hours") == 0


async def test_the_present_hour_waits_until_it_is_over(
    nursery: Nursery, connection: asyncpg.Connection
) -> None:
    await nursery.store(connection, [Reading(offset_ms=0, value=1.0), Reading(offset_ms=HOUR_MS, value=2.0)])
    assert await roll_up(connection, START + timedelta(hours=1)) == 1
    left = await connection.fetch("SELECT hour FROM series_touched_hours")
    assert [row["hour"] for row in left] == [START + timedelta(hours=1)]


async def test_redelivered_readings_touch_nothing(nursery: Nursery, connection: asyncpg.Connection) -> None:
    batch = [Reading(offset_ms=step, value=1.0) for step in range(3)]
    await nursery.store(connection, batch)
    await roll_up(connection, AFTER_ALL)
    await nursery.store(connection, batch)
    assert await connection.fetchval("SELECT count(*) FROM series_touched_hours") == 0


async def test_readings_of_before_this_version_are_rolled_up_after_they_were_noted(
    nursery: Nursery, connection: asyncpg.Connection
) -> None:
    before = [Reading(offset_ms=hour * HOUR_MS, value=float(hour % 50)) for hour in range(250)]
    await nursery.store(connection, before)
    await connection.execute("TRUNCATE series_touched_hours")
    await touch_history(connection, nursery.kit.id)
    assert await roll_up(connection, AFTER_ALL) == 250  # more than one transaction takes
    assert await rollups(connection, "series_hours") == plain_rollups(nursery, before, "hour")
    assert await rollups(connection, "series_days") == plain_rollups(nursery, before, "day")


async def test_a_kit_that_another_process_works_on_is_left_to_it(
    nursery: Nursery, connection: asyncpg.Connection
) -> None:
    await nursery.store(connection, [Reading(offset_ms=0, value=1.0)])
    other = await nursery.connect()
    async with other.transaction():
        await other.execute("SELECT pg_advisory_xact_lock(hashtext('hortus rollups'), $1)", nursery.kit.id)
        assert await roll_up(connection, AFTER_ALL) == 0
    await other.close()
    assert await roll_up(connection, AFTER_ALL) == 1


async def test_a_database_that_does_not_answer_ends_the_attempt_and_nothing_is_lost(
    nursery: Nursery, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await nursery.store(connection, [Reading(offset_ms=0, value=1.0)])
    monkeypatch.setattr("hortus.domain.series.rollups._LONGEST_SECONDS", 0.2)
    other, job = await nursery.connect(), await nursery.connect()
    async with other.transaction():
        await other.execute("LOCK TABLE series_hours")
        with pytest.raises(CONNECTION_FAILURES):
            await roll_up(job, AFTER_ALL)
    job.terminate()
    await other.close()
    monkeypatch.undo()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await roll_up(connection, AFTER_ALL):  # until PostgreSQL has ended the session that was cut
            await asyncio.sleep(0.02)
    assert await rollups(connection, "series_hours") == plain_rollups(
        nursery, [Reading(offset_ms=0, value=1.0)], "hour"
    )
