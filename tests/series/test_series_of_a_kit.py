"""A series is a kit's peripheral name and quantity, across all its configurations."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
from sqlalchemy import select

from hortus.base.database.url import DatabaseUrl
from hortus.domain.kits.store import STANDARD_INTERVALS, NewPeripheral, add_configuration
from hortus.domain.series.listing import list_series
from hortus.domain.series.rollups import roll_up
from hortus.domain.series.store import (
    ensure_series_of_kit,
    find_series,
    series_are_missing,
    series_of,
)
from hortus.domain.series.tables import SeriesRow
from ingest_world import World

TEMPERATURE, PRESSURE, HUMIDITY = 1, 2, 3


async def series_names(world: World, kit_id: int) -> set[tuple[str, int]]:
    async with world.engine.connect() as connection:
        rows = await connection.execute(
            select(SeriesRow.peripheral_name, SeriesRow.quantity_type_id).where(SeriesRow.kit_id == kit_id)
        )
        return {(name, quantity_type_id) for name, quantity_type_id in rows}


async def test_a_series_keeps_its_id_through_a_change_of_configuration(world: World) -> None:
    kit_id = world.kit.id
    async with world.engine.begin() as connection:
        before = await series_of(connection, kit_id, "Temperature", TEMPERATURE)
        peripheral = NewPeripheral(
            definition="Virtual temperature sensor", name="Temperature", configuration=STANDARD_INTERVALS
        )
        added = await add_configuration(
            connection, kit_id, description=None, peripherals=[peripheral], active=True
        )
        assert await series_of(connection, kit_id, "Temperature", TEMPERATURE) == before
        series = await find_series(connection, kit_id, before)
    assert series is not None
    assert series.peripheral_ids == (world.peripheral, added[0].id)


async def test_several_that_need_a_new_series_at_once_get_the_same(world: World) -> None:
    async def one() -> int:
        async with world.engine.begin() as connection:
            return await series_of(connection, world.kit.id, "Climate", HUMIDITY)

    assert len(set(await asyncio.gather(*(one() for _ in range(8))))) == 1


async def test_a_rollup_with_a_reading_from_the_future_does_not_hide_the_latest(world: World) -> None:
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    for minute, value in ((10, 20.0), (20, 22.0)):
        await world.send(
            world.raw(value=value, datetime_ms=int((hour + timedelta(minutes=minute)).timestamp() * 1000))
        )
    connection = await asyncpg.connect(**DatabaseUrl.parse(world.url).asyncpg_arguments())
    await roll_up(connection, hour + timedelta(hours=1))
    await connection.close()
    for minute, value in ((15, 20.0), (25, 22.0)):
        async with world.engine.begin() as reading:
            await ensure_series_of_kit(reading, world.kit.id)
            listed = await list_series(reading, world.kit.id, hour + timedelta(minutes=minute))
        assert [each.last_value for each in listed if each.last_value is not None] == [value]


async def test_a_kit_has_the_series_that_it_measured_and_those_that_it_is_to_measure(world: World) -> None:
    kit_id = world.kit.id
    await world.send(world.raw(quantity_type=HUMIDITY))  # more than the temperature sensor is expected to do
    expected = {
        ("Temperature", TEMPERATURE),
        ("Pressure", PRESSURE),
        ("Climate", TEMPERATURE),
        ("Climate", PRESSURE),
        ("Climate", HUMIDITY),
    }
    async with world.engine.begin() as connection:
        assert await series_are_missing(connection, kit_id)
        await ensure_series_of_kit(connection, kit_id)
        assert not await series_are_missing(connection, kit_id)
    assert await series_names(world, kit_id) == expected | {("Temperature", HUMIDITY)}
    assert await series_names(world, world.kits[1][0].id) == set()
