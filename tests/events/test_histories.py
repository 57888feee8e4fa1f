"""The histories of target ranges, of activations, and of presence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.base.database.engine import open_engine
from hortus.base.database.partitions import ensure_partitions, months_ahead
from hortus.base.database.url import DatabaseUrl
from hortus.domain.accounts.tables import UserRow
from hortus.domain.kits.activations import (
    MOST_PER_KIT,
    forget_old_activations,
    note_first_fetch,
    note_running,
)
from hortus.domain.kits.configurations import change_configuration, find_configuration
from hortus.domain.kits.deleted_configurations import delete_configuration, restore_configuration
from hortus.domain.kits.store import CreatedKit, KitStore, NewKit, add_standard_configuration
from hortus.domain.plants.species_store import NewSpecies, change_species, create_species, delete_species
from hortus.domain.plants.state import Range
from hortus.domain.plants.store import change_plant, create_plant, set_plant_range, unset_plant_range
from hortus.domain.presence.history import KEPT_DAYS, forget_old_presence, note_presence
from hortus.domain.presence.judgement import Judgement, PresenceState
from hortus.domain.presence.listening import keep_listening
from waiting import until

TEMPERATURE = 1
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.fixture
async def engine(migrated_database_url: str) -> AsyncIterator[AsyncEngine]:
    async with open_engine(DatabaseUrl.parse(migrated_database_url)) as engine:
        yield engine


async def rows(engine: AsyncEngine, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
    async with engine.begin() as connection:
        found = await connection.execute(text(statement), parameters)
        return [tuple(row) for row in found] if found.returns_rows else []


async def make_person(engine: AsyncEngine) -> int:
    async with engine.begin() as connection:
        person = await connection.scalar(
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
    assert person is not None
    return person


async def make_kit(engine: AsyncEngine) -> CreatedKit:
    async with engine.begin() as connection:
        kit = await KitStore().create(connection, NewKit(name="Basil"))
        await add_standard_configuration(connection, kit.id)
    return kit


async def temperature_ranges(engine: AsyncEngine, plant: int) -> list[tuple[Any, ...]]:
    return await rows(
        engine,
        "SELECT minimum, maximum, is_own, until IS NULL FROM plant_target_ranges"
        " WHERE plant_id = :plant AND quantity_type_id = 1 ORDER BY since, id",
        plant=plant,
    )


async def test_each_range_that_applied_to_a_plant_is_kept_with_its_times(engine: AsyncEngine) -> None:
    person = await make_person(engine)
    async with engine.begin() as connection:
        species = await create_species(
            connection, person, NewSpecies(name="Chilli", ranges={TEMPERATURE: Range(minimum=15, maximum=30)})
        )
        plant = await create_plant(connection, person, name="Monty", species_id=species)
    async with engine.begin() as connection:
        await set_plant_range(connection, plant, TEMPERATURE, Range(minimum=18))
    async with engine.begin() as connection:
        # The species' range does not apply to a plant with one of its own.
        await change_species(connection, species, {}, {TEMPERATURE: Range(minimum=16, maximum=30)})
    async with engine.begin() as connection:
        await unset_plant_range(connection, plant, TEMPERATURE)
    async with engine.begin() as connection:
        await change_species(connection, species, {}, {TEMPERATURE: Range(minimum=17, maximum=30)})
    async with engine.begin() as connection:
        await change_plant(connection, plant, {"species_id": None})
    assert await temperature_ranges(engine, plant) == [
        (15, 30, False, False),
        (18, None, True, False),
        (16, 30, False, False),
        (17, 30, False, False),
    ]
    gaps = await rows(
        engine,
        "SELECT since - lag(until) OVER (ORDER BY since) FROM plant_target_ranges WHERE plant_id = :plant",
        plant=plant,
    )
    assert [gap for (gap,) in gaps] == [None, *[timedelta()] * 3]


async def test_what_does_not_change_a_range_does_not_end_it(engine: AsyncEngine) -> None:
    person = await make_person(engine)
    ranges = {TEMPERATURE: Range(minimum=15, maximum=30)}
    async with engine.begin() as connection:
        species = await create_species(connection, person, NewSpecies(name="Chilli", ranges=ranges))
        plant = await create_plant(connection, person, name="Monty", species_id=species)
    before = await rows(engine, "SELECT * FROM plant_target_ranges")
    async with engine.begin() as connection:
        await change_species(connection, species, {"name": "Pepper"}, ranges)
        await change_plant(connection, plant, {"name": "Monty the second"})
        # Changed and changed back at once.
        await set_plant_range(connection, plant, TEMPERATURE, Range())
        await unset_plant_range(connection, plant, TEMPERATURE)
    after = await temperature_ranges(engine, plant)
    assert len(before) == 1
    assert [each for each in after if each[3]] == [(15, 30, False, True)]


async def test_a_range_that_says_not_to_judge_ends_the_one_of_the_species(engine: AsyncEngine) -> None:
    person = await make_person(engine)
    async with engine.begin() as connection:
        plant = await create_plant(connection, person, name="Monty", species_id=1)
    async with engine.begin() as connection:
        await set_plant_range(connection, plant, TEMPERATURE, Range())
    ((*_, is_present),) = await temperature_ranges(engine, plant)
    assert not is_present


async def test_the_history_outlives_the_species_but_not_the_plant(engine: AsyncEngine) -> None:
    person = await make_person(engine)
    async with engine.begin() as connection:
        species = await create_species(
            connection, person, NewSpecies(name="Chilli", ranges={TEMPERATURE: Range(minimum=15)})
        )
        plant = await create_plant(connection, person, name="Monty", species_id=species)
    async with engine.begin() as connection:
        await change_plant(connection, plant, {"species_id": None})
        await delete_species(connection, species)
    assert await rows(engine, "SELECT species_id, species_name FROM plant_target_ranges") == [(None, "Chilli")]
    await rows(engine, "DELETE FROM plants")
    assert await rows(engine, "SELECT * FROM plant_target_ranges") == []


async def activations(engine: AsyncEngine) -> list[tuple[Any, ...]]:
    return await rows(
        engine,
        "SELECT kit_configuration_id, until IS NULL, fetched_at IS NOT NULL, running_at IS NOT NULL"
        " FROM configuration_activations ORDER BY since, id",
    )


async def activate(engine: AsyncEngine, configuration_id: int, active: bool = True) -> None:
    async with engine.begin() as connection:
        configuration = await find_configuration(connection, configuration_id)
        assert configuration is not None
        await change_configuration(connection, configuration, {"active": active})


async def test_each_activation_is_kept_with_its_end(engine: AsyncEngine) -> None:
    kit = await make_kit(engine)
    ((first,),) = await rows(engine, "SELECT id FROM kit_configurations")
    ((second,),) = await rows(
        engine,
        "INSERT INTO kit_configurations"
        " (kit_id, description, controller_symbol_location, controller_symbol, control_rules)"
        " VALUES (:kit, 'Winter', 'a', 'b', '{}') RETURNING id",
        kit=kit.id,
    )
    await activate(engine, second)
    await activate(engine, first)
    await activate(engine, first, active=False)
    assert [each[:2] for each in await activations(engine)] == [
        (first, False),
        (second, False),
        (first, False),
    ]
    await activate(engine, second)
    async with engine.begin() as connection:
        configuration = await find_configuration(connection, second)
        assert configuration is not None
        await delete_configuration(connection, configuration)
    assert [each[1] for each in await activations(engine)] == [False] * 4
    async with engine.begin() as connection:
        await restore_configuration(connection, kit.id, second)
    assert (await activations(engine))[-1][:2] == (second, True)
    # Gone for good, its times and its name stay.
    await rows(engine, "DELETE FROM kit_configurations WHERE id = :id", id=second)
    assert await rows(
        engine, "SELECT DISTINCT name FROM configuration_activations WHERE kit_configuration_id IS NULL"
    ) == [("Winter",)]


async def test_the_first_fetch_and_the_first_reading_of_an_activation_are_noted_once(
    engine: AsyncEngine, migrated_database_url: str
) -> None:
    kit = await make_kit(engine)
    ((configuration,),) = await rows(engine, "SELECT id FROM kit_configurations")

    async def look() -> tuple[Any, ...]:
        async with engine.begin() as connection:
            await note_running(connection)
        return (await activations(engine))[0]

    async def fetch(given: int | None) -> None:
        async with engine.begin() as connection:
            await note_first_fetch(connection, {kit.serial: given, "k-none": configuration})

    await fetch(None)
    assert await look() == (configuration, True, False, False)
    await fetch(configuration)
    assert await look() == (configuration, True, True, False)
    before = await rows(engine, "SELECT fetched_at FROM configuration_activations")
    await fetch(configuration)
    assert await rows(engine, "SELECT fetched_at FROM configuration_activations") == before
    ((peripheral_id,),) = await rows(engine, "SELECT min(id) FROM peripherals")
    plain = await asyncpg.connect(migrated_database_url)
    await ensure_partitions(plain, months_ahead(datetime.now(UTC)))
    await plain.close()
    await rows(
        engine,
        "INSERT INTO raw_measurements (id, peripheral_id, kit_id, kit_configuration_id, quantity_type_id,"
        " datetime, received_at, value)"
        " VALUES (gen_random_uuid(), :peripheral, :kit, :configuration, 1, now(), now(), 20)",
        peripheral=peripheral_id,
        kit=kit.id,
        configuration=configuration,
    )
    assert await look() == (configuration, True, True, True)


async def test_activations_of_a_kit_that_are_too_many_are_forgotten(engine: AsyncEngine) -> None:
    kit = await make_kit(engine)
    await rows(
        engine,
        "INSERT INTO configuration_activations (kit_id, since, until)"
        " SELECT :kit, now() - n * interval '1 h', now() - n * interval '1 h'"
        " FROM generate_series(1, :most) n",
        kit=kit.id,
        most=MOST_PER_KIT + 3,
    )
    async with engine.begin() as connection:
        await forget_old_activations(connection)
    assert await rows(engine, "SELECT count(*) FROM configuration_activations WHERE until IS NOT NULL") == [
        (MOST_PER_KIT,)
    ]


async def intervals(engine: AsyncEngine) -> list[tuple[Any, ...]]:
    return await rows(
        engine, "SELECT state, since, until, last_contact_at FROM presence_intervals ORDER BY since"
    )


async def announce(engine: AsyncEngine, kit: CreatedKit, judgement: Judgement, now: datetime) -> None:
    async with engine.begin() as connection:
        await note_presence(connection, kit.id, judgement, now)


def judged(state: PresenceState, since: datetime | None, contact: datetime | None) -> Judgement:
    return Judgement(state=state, since=since, last_contact_at=contact)


async def test_states_of_a_kit_follow_each_other_without_a_gap(engine: AsyncEngine) -> None:
    kit = await make_kit(engine)
    minute = timedelta(minutes=1)
    await announce(engine, kit, judged(PresenceState.NEVER, None, None), NOW)
    await announce(engine, kit, judged(PresenceState.ONLINE, None, NOW), NOW + minute / 6)
    heard = NOW + 10 * minute
    late = heard + 3 * minute
    await announce(engine, kit, judged(PresenceState.LATE, late, heard), late + minute / 6)
    offline = heard + 5 * minute
    await announce(engine, kit, judged(PresenceState.OFFLINE, heard, heard), offline)
    back = offline + 60 * minute
    await announce(engine, kit, judged(PresenceState.ONLINE, None, back), back + minute / 6)
    assert await intervals(engine) == [
        ("online", NOW, late, None),
        ("late", late, offline, heard),
        ("offline", offline, back, heard),
        ("online", back, None, None),
    ]


async def test_a_state_that_began_before_the_last_one_replaces_none(engine: AsyncEngine) -> None:
    kit = await make_kit(engine)
    await announce(engine, kit, judged(PresenceState.OFFLINE, NOW, NOW), NOW + timedelta(minutes=5))
    # The connection is older than the silence: the kit was only quiet.
    await announce(
        engine, kit, judged(PresenceState.ONLINE, NOW - timedelta(days=1), NOW), NOW + timedelta(minutes=5)
    )
    assert await intervals(engine) == [("online", NOW + timedelta(minutes=5), None, None)]


async def test_old_intervals_and_outages_are_forgotten(engine: AsyncEngine) -> None:
    kit = await make_kit(engine)
    long_ago = f"now() - interval '{KEPT_DAYS + 1} days'"
    await rows(engine, f"INSERT INTO listening_outages VALUES ({long_ago}, {long_ago}), (now(), now())")
    await rows(
        engine,
        "INSERT INTO presence_intervals (kit_id, since, until, state) VALUES"
        f" (:kit, {long_ago} - interval '1 h', {long_ago}, 'online'), (:kit, {long_ago}, NULL, 'offline')",
        kit=kit.id,
    )
    async with engine.begin() as connection:
        await forget_old_presence(connection)
    assert len(await rows(engine, "SELECT * FROM listening_outages")) == 1
    # The present state stays, however long it lasts.
    assert [each[0] for each in await intervals(engine)] == ["offline"]


async def test_a_time_without_any_listening_process_is_kept(
    engine: AsyncEngine, migrated_database_url: str
) -> None:
    listened = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    await rows(
        engine,
        "INSERT INTO presence_listening (listening_since, listening_until) VALUES (:at, :at)",
        at=listened,
    )

    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(migrated_database_url)

    async def is_noted() -> bool:
        return bool(await rows(engine, "SELECT * FROM listening_outages"))

    tasks = [asyncio.create_task(keep_listening(connect)) for _ in range(3)]
    await until(is_noted, "the outage is noted")
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    # Several processes begin to listen again; one of them notes it.
    ((since, ended),) = await rows(engine, "SELECT since, until FROM listening_outages")
    assert since == listened
    assert ended > listened + timedelta(minutes=59)
