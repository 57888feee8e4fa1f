"""One answer for several series holds what each of them alone would get."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from series_nursery import AFTER_ALL, PRESSURE, START, TEMPERATURE, Reading, make_nursery

from hortus.base.database.engine import open_engine
from hortus.base.database.url import DatabaseUrl
from hortus.domain.series.chart_store import chart, charts
from hortus.domain.series.charts import Span
from hortus.domain.series.extent import earliest_hour, neighbours
from hortus.domain.series.intervals import longest_intervals
from hortus.domain.series.rollups import roll_up
from hortus.domain.series.store import find_several_series, series_of

MINUTE_MS = 60_000
DAY = Span(START, START + timedelta(days=1))


@pytest.fixture
async def nursery(migrated_database_url):
    return await make_nursery(migrated_database_url)


async def several(engine, nursery):
    """Return the temperature and the pressure of the first peripheral."""
    async with engine.begin() as connection:
        name = nursery.peripherals[0].name
        ids = [await series_of(connection, nursery.kit.id, name, type_) for type_ in (TEMPERATURE, PRESSURE)]
        found = await find_several_series(connection, nursery.kit.id, [*ids, 1_000_000])
    return [found[each] for each in ids]


def dense_and_sparse() -> list[Reading]:
    dense = [Reading(offset_ms=i * MINUTE_MS, value=float(i % 7)) for i in range(600)]
    sparse = [
        Reading(offset_ms=i * 60 * MINUTE_MS, value=1000.0 + i, quantity_type=PRESSURE) for i in range(10)
    ]
    return dense + sparse


@pytest.mark.parametrize("rolled_up", [False, True])
async def test_each_series_gets_what_it_would_get_alone(nursery, rolled_up):
    connection = await nursery.connect()
    await nursery.store(connection, dense_and_sparse())
    if rolled_up:
        await roll_up(connection, AFTER_ALL)
    await connection.close()
    async with open_engine(DatabaseUrl.parse(nursery.url)) as engine:
        both = await several(engine, nursery)
        async with engine.begin() as transaction:
            for span in (
                DAY,
                Span(START, START + timedelta(days=60)),
                Span(START, START + timedelta(minutes=5)),
            ):
                for points in (1, 50, 200, 1600):
                    together = await charts(transaction, both, span, points)
                    assert together == [await chart(transaction, each, span, points) for each in both]
            few, many = await charts(transaction, both[::-1], DAY, 200)
    assert (few.width_seconds, len(few.mean)) == (None, 10)
    assert (many.width_seconds, len(many.mean)) == (600, 60)


async def test_a_series_whose_rows_were_dropped_is_read_from_rollups_beside_one_whose_rows_are_there(nursery):
    connection = await nursery.connect()
    await nursery.store(connection, dense_and_sparse())
    await roll_up(connection, AFTER_ALL)
    await connection.execute("DELETE FROM raw_measurements WHERE quantity_type_id = $1", PRESSURE)
    await connection.close()
    async with open_engine(DatabaseUrl.parse(nursery.url)) as engine:
        both = await several(engine, nursery)
        async with engine.begin() as transaction:
            temperature, pressure = await charts(transaction, both, DAY, 200)
    assert (temperature.source, temperature.width_seconds) == ("raw", 600)
    assert (pressure.source, pressure.mean) == ("hour", [1000.0 + i for i in range(10)])


async def test_no_series_need_no_statement(nursery):
    async with open_engine(DatabaseUrl.parse(nursery.url)) as engine, engine.begin() as transaction:
        assert await charts(transaction, [], DAY, 200) == []
        assert await find_several_series(transaction, nursery.kit.id, []) == {}


@pytest.mark.parametrize("rolled_up", [False, True])
async def test_the_readings_next_to_a_span_without_any_are_found(nursery, rolled_up):
    connection = await nursery.connect()
    readings = [Reading(offset_ms=i * MINUTE_MS, value=1.0) for i in (0, 130, 150, 400, 9000)]
    await nursery.store(connection, [*readings, Reading(offset_ms=200, value=1.0, quantity_type=PRESSURE)])
    if rolled_up:
        await roll_up(connection, AFTER_ALL)
    await connection.close()
    async with open_engine(DatabaseUrl.parse(nursery.url)) as engine:
        temperature, _ = await several(engine, nursery)
        async with engine.begin() as transaction:
            assert await earliest_hour(transaction, [temperature]) == START
            for start, end, before, after in (
                (160, 390, 150, 400),  # within the hours of the readings
                (200, 250, 150, 400),
                (500, 600, 400, 9000),
                (9001, 9060, 9000, None),
                (-60, -1, None, 0),
                (131, 149, 130, 150),
            ):
                span = Span(START + timedelta(minutes=start), START + timedelta(minutes=end))
                found = await neighbours(transaction, temperature, span, AFTER_ALL)
                expected = [None if at is None else START + timedelta(minutes=at) for at in (before, after)]
                assert [found.before, found.after] == expected, (start, end)
            past = Span(START + timedelta(minutes=500), START + timedelta(minutes=600))
            found = await neighbours(transaction, temperature, past, past.end)
            assert found.after is None, "a reading from the future is no next one"


@pytest.mark.parametrize("rolled_up", [False, True])
async def test_readings_that_cannot_be_are_not_next_to_a_span(nursery, rolled_up):
    connection = await nursery.connect()
    values = {0: 20.0, 200: -127.0, 600: -127.0, 900: 21.0}
    await nursery.store(
        connection, [Reading(offset_ms=at * MINUTE_MS, value=value) for at, value in values.items()]
    )
    if rolled_up:
        await roll_up(connection, AFTER_ALL)
    await connection.close()
    async with open_engine(DatabaseUrl.parse(nursery.url)) as engine:
        temperature, _ = await several(engine, nursery)
        async with engine.begin() as transaction:
            for start, end in ((300, 500), (210, 590)):
                span = Span(START + timedelta(minutes=start), START + timedelta(minutes=end))
                found = await neighbours(transaction, temperature, span, AFTER_ALL)
                assert (found.before, found.after) == (START, START + timedelta(minutes=900))


async def test_the_interval_is_that_of_the_configurations_that_were_valid_within_the_span(nursery):
    connection = await nursery.connect()
    name = nursery.peripherals[0].name
    rows = await connection.fetch(
        "SELECT id, kit_configuration_id FROM peripherals WHERE kit_id = $1 AND name = $2 ORDER BY id",
        nursery.kit.id,
        name,
    )
    await connection.execute("UPDATE kit_configurations SET active = false")
    for row, seconds, activated, active in (
        (rows[0], 600, datetime(2026, 1, 1, tzinfo=UTC), False),
        (rows[1], 60, datetime(2026, 6, 1, tzinfo=UTC), True),
    ):
        await connection.execute(
            "UPDATE peripherals SET configuration = $2 WHERE id = $1",
            row["id"],
            f'{{"intervals": {{"measurementInterval": {seconds}}}}}',
        )
        await connection.execute(
            "UPDATE kit_configurations SET first_activated_at = $2, active = $3 WHERE id = $1",
            row["kit_configuration_id"],
            activated,
            active,
        )
    await connection.close()
    async with open_engine(DatabaseUrl.parse(nursery.url)) as engine, engine.begin() as transaction:
        for month, expected in ((3, 600.0), (7, 60.0)):
            span = Span(datetime(2026, month, 1, tzinfo=UTC), datetime(2026, month, 2, tzinfo=UTC))
            found = await longest_intervals(transaction, nursery.kit.id, [name, "never there"], span)
            assert found == {name: expected}
