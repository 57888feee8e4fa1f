"""Plants in a database: their links over time, and their state by readings that were really stored."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.accounts.tables import UserRow
from hortus.domain.plants.links import (
    AlreadyLinked,
    MeasuringSource,
    PlantLink,
    delete_link,
    end_link,
    link_plant,
    links_of_plants,
    unlink_plant,
)
from hortus.domain.plants.overview import PlantOverview, overviews
from hortus.domain.plants.rules import InvalidPlant
from hortus.domain.plants.state import Condition, Range
from hortus.domain.plants.store import create_plant, find_plant, set_plant_range, unset_plant_range
from hortus.domain.series.rollups import roll_up
from ingest_world import World, now_ms

HOUR = timedelta(hours=1)
TEMPERATURE, PRESSURE, HUMIDITY = 1, 2, 3
MONSTERA = 1


async def make_plant(connection: AsyncConnection, species_id: int | None = MONSTERA) -> int:
    owner_id = await connection.scalar(
        insert(UserRow)
        .values(
            username="flora",
            display_name="Flora",
            password_hash="none",
            email_address="flora@example.org",
            gravatar_alternative="x",
        )
        .returning(UserRow.id)
    )
    assert owner_id is not None
    return await create_plant(connection, owner_id, name="Monty", species_id=species_id)


async def overview(connection: AsyncConnection, plant_id: int) -> PlantOverview:
    plant = await find_plant(connection, plant_id)
    assert plant is not None
    links = await links_of_plants(connection, [plant_id])
    (found,) = await overviews(connection, [plant], links, now=datetime.now(UTC), freshness=HOUR)
    return found


def conditions(of: PlantOverview) -> dict[int, Condition | None]:
    return {state.quantity_type_id: state.condition for state in of.states}


async def links_of(connection: AsyncConnection, plant_id: int) -> Sequence[PlantLink]:
    return (await links_of_plants(connection, [plant_id]))[plant_id]


async def test_a_plant_is_judged_by_what_its_kit_measured_last(world: World) -> None:
    soil, light = await quantity_types(world)
    kit_id = world.kit.id
    async with world.engine.begin() as connection:
        plant_id = await make_plant(connection)
        before = await overview(connection, plant_id)
        assert (before.condition, set(conditions(before).values())) == (Condition.NO_DATA, {None})
        now = datetime.now(UTC)
        await link_plant(connection, plant_id, MeasuringSource(kit_id=kit_id), since=now, now=now)
        silent = await overview(connection, plant_id)
        # Its kit has a thermometer and measures the humidity of the air, but neither soil nor light.
        assert conditions(silent) == {
            TEMPERATURE: Condition.NO_DATA,
            PRESSURE: None,
            HUMIDITY: Condition.NO_DATA,
            soil: None,
            light: None,
        }
    climate = world.kits[0][1][2].id
    await world.send(world.raw(value=30.0, datetime_ms=now_ms() - 60_000))
    await world.send(world.raw(value=27.0))
    await world.send(world.raw(value=39.9, peripheral=climate, quantity_type=HUMIDITY))
    async with world.engine.begin() as connection:
        found = await overview(connection, plant_id)
        judged = conditions(found)
        assert (judged[TEMPERATURE], judged[HUMIDITY]) == (Condition.OK, Condition.LOW)
        assert found.condition is Condition.LOW
        thermometer = found.measured[TEMPERATURE]
        assert (thermometer.serial, thermometer.peripheral_name) == (world.kit.serial, "Temperature")
        assert thermometer.reading is not None
        assert thermometer.reading.value == 27.0

        await set_plant_range(connection, plant_id, HUMIDITY, Range(minimum=39.9))
        assert (await overview(connection, plant_id)).condition is Condition.OK
        await set_plant_range(connection, plant_id, HUMIDITY, Range())
        assert conditions(await overview(connection, plant_id))[HUMIDITY] is None
        assert await unset_plant_range(connection, plant_id, HUMIDITY)
        assert not await unset_plant_range(connection, plant_id, HUMIDITY)
        assert (await overview(connection, plant_id)).condition is Condition.LOW


async def test_a_reading_ahead_of_its_time_does_not_hide_what_was_measured_now(world: World) -> None:
    async with world.engine.begin() as connection:
        plant_id = await make_plant(connection)
        now = datetime.now(UTC)
        await link_plant(connection, plant_id, MeasuringSource(kit_id=world.kit.id), since=now, now=now)
    await world.send(world.raw(value=22.0, datetime_ms=now_ms() + 280_000))
    async with world.engine.begin() as connection:
        assert conditions(await overview(connection, plant_id))[TEMPERATURE] is Condition.NO_DATA
    await world.send(world.raw(value=2.0))
    async with world.engine.begin() as connection:
        found = await overview(connection, plant_id)
        assert conditions(found)[TEMPERATURE] is Condition.LOW
        reading = found.measured[TEMPERATURE].reading
        assert reading is not None
        assert reading.value == 2.0


async def test_a_value_that_cannot_be_is_not_the_latest_and_judges_nothing(world: World) -> None:
    async with world.engine.begin() as connection:
        plant_id = await make_plant(connection)
        now = datetime.now(UTC)
        await link_plant(connection, plant_id, MeasuringSource(kit_id=world.kit.id), since=now, now=now)
    await world.send(world.raw(value=-127.0))
    async with world.engine.begin() as connection:
        only_wrong = (await overview(connection, plant_id)).measured[TEMPERATURE]
        assert (only_wrong.reading, only_wrong.implausible and only_wrong.implausible.value) == (None, -127.0)
        assert conditions(await overview(connection, plant_id))[TEMPERATURE] is Condition.NO_DATA
    await world.send(world.raw(value=2.0, datetime_ms=now_ms() - 60_000))
    async with world.engine.begin() as connection:
        found = (await overview(connection, plant_id)).measured[TEMPERATURE]
        assert found.reading is not None
        assert (found.reading.value, found.implausible and found.implausible.value) == (2.0, -127.0)
        assert conditions(await overview(connection, plant_id))[TEMPERATURE] is Condition.LOW
    await world.send(world.raw(value=3.0))
    async with world.engine.begin() as connection:
        found = (await overview(connection, plant_id)).measured[TEMPERATURE]
        assert found.reading is not None
        assert (found.reading.value, found.implausible) == (3.0, None)


async def test_the_last_word_of_a_sensor_that_fell_silent_is_remembered(world: World) -> None:
    async with world.engine.begin() as connection:
        plant_id = await make_plant(connection)
        now = datetime.now(UTC)
        source = MeasuringSource(
            kit_id=world.kit.id, peripheral_name="Temperature", quantity_type_id=TEMPERATURE
        )
        await link_plant(connection, plant_id, source, since=now, now=now)
    for hours_ago, value in ((20, -127.0), (10, 21.0), (7, 327.67), (5, -127.0)):
        await world.send(world.raw(value=value, datetime_ms=now_ms() - hours_ago * 3_600_000))
    await roll_up(world.connection, now)
    async with world.engine.begin() as connection:
        found = (await overview(connection, plant_id)).measured[TEMPERATURE]
    assert found.reading is not None
    assert (found.reading.value, found.implausible and found.implausible.value) == (21.0, -127.0)


@pytest.mark.parametrize(
    ("values", "latest", "is_faulty"),
    [
        ([20.0, 85.0], 20.0, True),
        ([85.0, 85.0, 85.0], None, True),
        ([84.0, 85.0], 85.0, False),
        ([84.0, 85.0, -127.0], 85.0, True),
        ([20.0, 85.0, 20.5], 20.5, False),
    ],
)
async def test_the_latest_of_a_ds18b20_is_no_lone_error_value(
    world: World, values: list[float], latest: float | None, is_faulty: bool
) -> None:
    async with world.engine.begin() as connection:
        plant_id = await make_plant(connection)
        await connection.execute(
            text(
                "UPDATE peripherals SET peripheral_definition_id = (SELECT id FROM peripheral_definitions "
                "WHERE name = 'AstroPlant water temperature sensor') WHERE id = :id"
            ),
            {"id": world.peripheral},
        )
        now = datetime.now(UTC)
        source = MeasuringSource(
            kit_id=world.kit.id, peripheral_name="Temperature", quantity_type_id=TEMPERATURE
        )
        await link_plant(connection, plant_id, source, since=now, now=now)
    last = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(seconds=1)
    for number, value in enumerate(reversed(values)):
        at = last - timedelta(minutes=number)
        await world.send(world.raw(value=value, datetime_ms=round(at.timestamp() * 1000)))
    async with world.engine.begin() as connection:
        found = (await overview(connection, plant_id)).measured[TEMPERATURE]
    assert (found.reading and found.reading.value, found.implausible is not None) == (latest, is_faulty)


async def test_a_series_that_is_linked_by_itself_goes_before_those_of_a_whole_kit(world: World) -> None:
    climate = world.kits[0][1][2]
    await world.send(world.raw(value=20.0))
    await world.send(world.raw(value=35.0, peripheral=climate.id))
    now = datetime.now(UTC)
    async with world.engine.begin() as connection:
        plant_id = await make_plant(connection)
        kit = MeasuringSource(kit_id=world.kit.id)
        await link_plant(connection, plant_id, kit, since=now, now=now)
        # By name: both thermometers are fresh, and "Climate" comes first.
        assert (await overview(connection, plant_id)).measured[TEMPERATURE].peripheral_name == "Climate"
        single = MeasuringSource(
            kit_id=world.kit.id, peripheral_name="Temperature", quantity_type_id=TEMPERATURE
        )
        await link_plant(connection, plant_id, single, since=now, now=now)
        found = await overview(connection, plant_id)
        assert found.measured[TEMPERATURE].peripheral_name == "Temperature"
        assert conditions(found)[TEMPERATURE] is Condition.OK


async def test_a_silent_thermometer_makes_room_for_one_that_measures(world: World) -> None:
    climate = world.kits[0][1][2]
    await world.send(world.raw(value=35.0, peripheral=climate.id, datetime_ms=now_ms() - 2 * 3600 * 1000))
    now = datetime.now(UTC)
    async with world.engine.begin() as connection:
        plant_id = await make_plant(connection)
        await link_plant(connection, plant_id, MeasuringSource(kit_id=world.kit.id), since=now, now=now)
        old = await overview(connection, plant_id)
        assert conditions(old)[TEMPERATURE] is Condition.NO_DATA
        reading = old.measured[TEMPERATURE].reading
        assert reading is not None
        assert reading.value == 35.0
    await world.send(world.raw(value=20.0))
    async with world.engine.begin() as connection:
        assert (await overview(connection, plant_id)).measured[TEMPERATURE].peripheral_name == "Temperature"


async def test_links_do_not_overlap_and_the_past_stays(world: World) -> None:
    now = datetime.now(UTC)
    kit = MeasuringSource(kit_id=world.kit.id)
    async with world.engine.begin() as connection:
        plant_id = await make_plant(connection)
        await link_plant(connection, plant_id, kit, since=now - 3 * HOUR, now=now)
        with pytest.raises(AlreadyLinked):
            await link_plant(connection, plant_id, kit, since=now, now=now)
        (first,) = await links_of(connection, plant_id)
        await end_link(connection, first, until=now - HOUR, now=now)
        with pytest.raises(AlreadyLinked):
            await link_plant(connection, plant_id, kit, since=now - 2 * HOUR, now=now)
        second = await link_plant(connection, plant_id, kit, since=now - HOUR, now=now)
        other = MeasuringSource(kit_id=world.kits[1][0].id)
        await link_plant(connection, plant_id, other, since=now, now=now)
        assert [(link.since, link.until) for link in await links_of(connection, plant_id)] == [
            (now - 3 * HOUR, now - HOUR),
            (now - HOUR, None),
            (now, None),
        ]
        await delete_link(connection, second)
        later = now + timedelta(minutes=1)
        await unlink_plant(connection, plant_id, now=later)
        assert [(link.since, link.until) for link in await links_of(connection, plant_id)] == [
            (now - 3 * HOUR, now - HOUR),
            (now, later),
        ]


async def test_links_that_make_no_sense_are_refused_in_words(world: World) -> None:
    now = datetime.now(UTC)
    kit_id = world.kit.id
    async with world.engine.begin() as connection:
        plant_id = await make_plant(connection)
        for source, since, words in (
            (MeasuringSource(kit_id=kit_id), now + HOUR, "now or in the past"),
            (MeasuringSource(kit_id=kit_id, peripheral_name="Temperature"), now, "Give both"),
            (MeasuringSource(kit_id=kit_id, quantity_type_id=1), now, "Give both"),
            (
                MeasuringSource(kit_id=kit_id, peripheral_name="Nothing", quantity_type_id=1),
                now,
                "no peripheral",
            ),
            (
                MeasuringSource(kit_id=kit_id, peripheral_name="Climate", quantity_type_id=999),
                now,
                "quantity type 999",
            ),
        ):
            with pytest.raises(InvalidPlant, match=words):
                await link_plant(connection, plant_id, source, since=since, now=now)
        await link_plant(connection, plant_id, MeasuringSource(kit_id=kit_id), since=now - HOUR, now=now)
        (link,) = await links_of(connection, plant_id)
        for until, words in ((now - HOUR, "after it started"), (now + HOUR, "now or in the past")):
            with pytest.raises(InvalidPlant, match=words):
                await end_link(connection, link, until=until, now=now)


async def quantity_types(world: World) -> tuple[int, int]:
    async with world.engine.connect() as connection:
        ids = await connection.scalars(
            text(
                "SELECT id FROM quantity_types WHERE physical_quantity IN ('Soil moisture', 'Light level')"
                " ORDER BY id"
            )
        )
        soil, light = ids.all()
    return soil, light
