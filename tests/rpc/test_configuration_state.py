"""The configuration a kit runs, and the advice shown to users."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from raw_kit import raw_kit
from rpc_world import INTERVALS, PERIPHERALS, RpcWorld

from hortus.base.database.partitions import ensure_partitions, months_ahead
from hortus.domain.kits.store import NewPeripheral, add_configuration
from hortus.flow.rpc.questions import active_configuration
from hortus.protocol.wire.messages import ActiveConfigurationCall, QuantityTypesCall
from hortus.simulator.options import BootTimes
from waiting import until


async def state_of(world: RpcWorld, serial: str) -> dict[str, Any]:
    response = await world.get(f"/kits/{serial}/configuration-state")
    assert response.status_code == 200, response.text
    return dict(response.json())


async def test_a_person_is_told_to_restart_the_kit_and_is_left_in_peace_then(
    rpc_installation: RpcWorld,
) -> None:
    world = rpc_installation
    kit = await world.make_kit()
    before = await state_of(world, kit.serial)
    assert (before["isCurrent"], before["fetchedAt"]) == (False, None)
    assert "Start it" in before["advice"]

    async def is_current() -> bool:
        return bool((await state_of(world, kit.serial))["isCurrent"])

    virtual = await world.start(kit)
    await until(is_current, "it is noted that the kit has fetched its configuration")
    running = await state_of(world, kit.serial)
    assert running["advice"] is None
    assert running["fetchedConfigurationId"] == running["activeConfigurationId"]

    barometer = NewPeripheral(definition="Virtual barometer", name="Air", configuration=INTERVALS)
    async with world.engine.begin() as connection:
        await add_configuration(connection, kit.id, description=None, peripherals=[barometer], active=True)
    changed = await state_of(world, kit.serial)
    assert changed["isCurrent"] is False
    assert changed["fetchedConfigurationId"] == running["activeConfigurationId"]
    assert "Restart the kit" in changed["advice"]
    # Until then the kit has the peripherals that it fetched, and can be commanded as it is.
    assert (await world.command(kit, "Heater", {"heat": 1})).status_code == 200

    virtual.reboot()
    await until(is_current, "the kit has fetched its new configuration")
    assert (await world.command(kit, "Heater", {"heat": 1})).status_code == 400


async def test_a_kit_that_started_unanswered_runs_what_it_remembers_although_it_is_answered_later(
    rpc_installation: RpcWorld,
) -> None:
    world = rpc_installation
    kit = await world.make_kit()
    boot = BootTimes(answer_timeout_seconds=0.2, ask_again_seconds=0.2)
    virtual = await world.start(kit, boot=boot)
    remembered = (await state_of(world, kit.serial))["activeConfigurationId"]
    barometer = NewPeripheral(definition="Virtual barometer", name="Air", configuration=INTERVALS)
    async with world.engine.begin() as connection:
        await add_configuration(connection, kit.id, description=None, peripherals=[barometer], active=True)

    # It starts while it is not let in. Its questions wait in its memory, and are answered after it gave up.
    [(password_hash,)] = await world.run_sql("SELECT password_hash FROM kits")
    await world.run_sql("UPDATE kits SET password_hash = 'of nobody'")
    virtual.cut_connection()
    virtual.reboot()
    await until(lambda: not virtual.measuring, "the kit starts anew")
    await until(lambda: virtual.measuring, "the kit has given up asking")
    await world.run_sql("UPDATE kits SET password_hash = :hash", hash=password_hash)

    async def was_given_the_new_one() -> bool:
        state = await state_of(world, kit.serial)
        return bool(state["fetchedConfigurationId"] == state["activeConfigurationId"] != remembered)

    await until(was_given_the_new_one, "its question is answered all the same")
    await send_reading_of(world, kit.id, remembered)
    state = await state_of(world, kit.serial)
    assert (state["runningConfigurationId"], state["isCurrent"]) == (remembered, False)
    assert "Restart the kit" in state["advice"]
    assert (await world.command(kit, "Heater", {"heat": 1})).status_code == 200

    async def is_current() -> bool:
        return bool((await state_of(world, kit.serial))["isCurrent"])

    virtual.reboot()
    await until(is_current, "the kit has fetched its new configuration in time")


async def test_a_kit_that_started_unanswered_and_remembers_nothing_is_said_to_run_nothing(
    rpc_installation: RpcWorld,
) -> None:
    world = rpc_installation
    kit = await world.make_kit()
    # Its first question waited in its memory and is answered after it gave up; it asks nothing more.
    async with raw_kit(world, kit) as raw:
        await raw.ask(0, ActiveConfigurationCall())
        await until(lambda: raw.answers, "the kit is answered")
        await until_asked(world, "asked_configuration_at")
        assert (await state_of(world, kit.serial))["isCurrent"] is True  # its second question may be on its way
        await world.run_sql("UPDATE kit_presence SET asked_configuration_at = now() - interval '2 minutes'")
        state = await state_of(world, kit.serial)
        assert (state["runningConfigurationId"], state["isCurrent"]) == (None, False)
        assert state["fetchedConfigurationId"] == state["activeConfigurationId"]
        assert state["advice"].startswith("The kit runs nothing")
        assert state["advice"].endswith("Restart the kit.")
        # It is restarted, and gets both answers.
        await raw.ask(0, ActiveConfigurationCall())
        await raw.ask(1, QuantityTypesCall())
        await until_asked(world, "asked_quantity_types_at")
        await until(lambda: len(raw.answers) == 3, "the kit is answered")
    assert (await state_of(world, kit.serial))["advice"] is None
    await world.run_sql(
        "UPDATE kit_presence SET asked_configuration_at = now() - interval '2 minutes', "
        "asked_quantity_types_at = now() - interval '2 minutes'"
    )
    assert (await state_of(world, kit.serial))["advice"] is None


@pytest.mark.parametrize(
    "arrival",
    [
        "INSERT INTO kit_last_seen VALUES (:kit, now())",
        (
            "INSERT INTO ingest_ledger "
            "(kit_id, hour, stream, received, stored, duplicate, quarantined, refused) "
            "VALUES (:kit, date_trunc('hour', now()), 'raw', 1, 0, 0, 1, 0)"
        ),
    ],
)
async def test_a_kit_of_another_kind_that_asks_one_question_only_runs_if_anything_arrives_from_it(
    rpc_installation: RpcWorld, arrival: str
) -> None:
    world = rpc_installation
    kit = await world.make_kit()
    await world.run_sql(
        "INSERT INTO kit_presence (kit_id, asked_configuration_at) VALUES (:kit, now() - interval '2 hours')",
        kit=kit.id,
    )
    assert "runs nothing" in (await state_of(world, kit.serial))["advice"]
    await world.run_sql(arrival, kit=kit.id)
    assert "runs nothing" not in (await state_of(world, kit.serial))["advice"]


async def until_asked(world: RpcWorld, column: str) -> None:
    async def is_noted() -> bool:
        return bool(await world.run_sql(f"SELECT 1 FROM kit_presence WHERE {column} IS NOT NULL"))

    await until(is_noted, "the question is recorded")


async def test_readings_tell_what_a_kit_runs_that_never_asked_here(rpc_installation: RpcWorld) -> None:
    world = rpc_installation
    kit = await world.make_kit()
    active = (await state_of(world, kit.serial))["activeConfigurationId"]
    await send_reading_of(world, kit.id, active)
    state = await state_of(world, kit.serial)
    assert (state["fetchedAt"], state["runningConfigurationId"], state["isCurrent"]) == (None, active, True)
    assert state["advice"] is None


async def test_readings_from_before_a_start_do_not_tell_what_the_kit_runs_now(
    rpc_installation: RpcWorld,
) -> None:
    world = rpc_installation
    kit = await world.make_kit()
    async with world.engine.begin() as connection:
        await add_configuration(
            connection, kit.id, description=None, peripherals=[PERIPHERALS[0]], active=False
        )
    [(earlier,)] = await world.run_sql("SELECT id FROM kit_configurations WHERE NOT active")
    # The kit's clock is ahead of ours, so this seems to be from after its start.
    await send_reading_of(world, kit.id, earlier, ahead_seconds=120)
    await world.start(kit)

    async def is_current() -> bool:
        return bool((await state_of(world, kit.serial))["isCurrent"])

    await until(is_current, "the kit is known to run what it has just fetched")


async def send_reading_of(
    world: RpcWorld, kit_id: int, configuration_id: int, *, ahead_seconds: int = 0
) -> None:
    """Store a reading of a configuration's sensor, as it comes just now from a kit with this clock."""
    at = datetime.now(UTC) + timedelta(seconds=ahead_seconds)
    connection = await asyncpg.connect(**world.url.asyncpg_arguments())
    try:
        await ensure_partitions(connection, months_ahead(at))
    finally:
        await connection.close()
    await world.run_sql(
        "INSERT INTO raw_measurements (datetime, received_at, value, id, kit_id, peripheral_id, "
        "kit_configuration_id, quantity_type_id) "
        "SELECT :at, clock_timestamp(), 21.5, gen_random_uuid(), :kit_id, min(p.id), p.kit_configuration_id, 1 "
        "FROM peripherals p WHERE p.kit_configuration_id = :configuration_id GROUP BY p.kit_configuration_id",
        at=at,
        kit_id=kit_id,
        configuration_id=configuration_id,
    )


async def test_a_kit_without_active_configuration_is_told_apart(rpc_installation: RpcWorld) -> None:
    world = rpc_installation
    kit = await world.make_kit()
    await world.run_sql("UPDATE kit_configurations SET active = false")
    state = await state_of(world, kit.serial)
    assert (state["activeConfigurationId"], state["isCurrent"]) == (None, False)
    assert "no active configuration" in state["advice"]


async def delete_what_was_fetched(world: RpcWorld, kit_id: int) -> int:
    """Delete the only configuration of the kit, which it has fetched; return its id."""
    [(fetched,)] = await world.run_sql(
        "INSERT INTO kit_fetched_configurations (kit_id, kit_configuration_id, fetched_at) "
        "SELECT kit_id, id, now() FROM kit_configurations RETURNING kit_configuration_id"
    )
    deleted = await world.client.delete(f"/kit-configurations/{fetched}", headers=world.headers)
    assert deleted.status_code == 200
    return int(fetched)


async def test_a_kit_whose_configuration_was_deleted_is_said_to_run_it_still(
    rpc_installation: RpcWorld,
) -> None:
    world = rpc_installation
    kit = await world.make_kit()
    former = await delete_what_was_fetched(world, kit.id)
    state = await state_of(world, kit.serial)
    deleted_at, until_when = state["runningDeletedAt"], state["runningRestorableUntil"]
    assert state == {
        "activeConfigurationId": None,
        "runningConfigurationId": former,
        "fetchedConfigurationId": former,
        "fetchedAt": state["fetchedAt"],
        "runningDeletedAt": deleted_at,
        "runningRestorableUntil": until_when,
        "isCurrent": False,
        "advice": (
            f"The kit still runs configuration #{former}, which was deleted at {deleted_at}. What it sends is "
            f"kept in quarantine. Bring that configuration back until {until_when}, or activate another one "
            "and restart the kit."
        ),
    }
    assert datetime.fromisoformat(until_when) - datetime.fromisoformat(deleted_at) == timedelta(days=30)

    async with world.engine.begin() as connection:
        await add_configuration(connection, kit.id, description=None, peripherals=PERIPHERALS, active=True)
    assert (await state_of(world, kit.serial))["advice"].endswith(
        "or restart the kit: it takes over the active one."
    )
    await world.run_sql("UPDATE kit_configurations SET restorable_until = now() WHERE NOT active")
    state = await state_of(world, kit.serial)
    assert (state["runningDeletedAt"], state["runningRestorableUntil"]) == (deleted_at, None)
    assert state["advice"].endswith(
        "What it sends cannot be stored. Restart the kit: it takes over the active one."
    )
    await world.run_sql("DELETE FROM kit_configurations WHERE NOT active")
    state = await state_of(world, kit.serial)
    assert "has been deleted" in state["advice"]
    assert "Restart the kit" in state["advice"]


async def test_a_configuration_that_was_brought_back_is_current_again(rpc_installation: RpcWorld) -> None:
    world = rpc_installation
    kit = await world.make_kit()
    former = await delete_what_was_fetched(world, kit.id)
    at = f"/kits/{kit.serial}/deleted-configurations/{former}/restore"
    assert (await world.client.post(at, headers=world.headers)).status_code == 200
    state = await state_of(world, kit.serial)
    assert (state["runningConfigurationId"], state["isCurrent"], state["advice"]) == (former, True, None)
    assert (state["runningDeletedAt"], state["runningRestorableUntil"]) == (None, None)


async def test_a_kit_that_never_asked_here_runs_the_deleted_configuration_of_its_readings(
    rpc_installation: RpcWorld,
) -> None:
    world = rpc_installation
    kit = await world.make_kit()
    active = (await state_of(world, kit.serial))["activeConfigurationId"]
    await send_reading_of(world, kit.id, active)
    await world.client.delete(f"/kit-configurations/{active}", headers=world.headers)
    state = await state_of(world, kit.serial)
    assert state["advice"].startswith(f"The kit still runs configuration #{active}, which was deleted at ")
    # Long after: it is removed for good, and the kit goes on sending.
    await world.run_sql("DELETE FROM raw_measurements")
    await world.run_sql("DELETE FROM kit_configurations")
    await world.run_sql("INSERT INTO kit_presence (kit_id, last_contact_at) VALUES (:kit, now())", kit=kit.id)
    async with world.engine.begin() as connection:
        await add_configuration(connection, kit.id, description=None, peripherals=PERIPHERALS, active=True)
    advice = (await state_of(world, kit.serial))["advice"]
    assert "It is unknown which configuration the kit runs" in advice
    assert "Restart the kit" in advice


async def test_a_kit_that_runs_a_deleted_configuration_still_takes_commands(rpc_installation: RpcWorld) -> None:
    world = rpc_installation
    kit = await world.make_kit()
    await world.start(kit)

    async def is_current() -> bool:
        return bool((await state_of(world, kit.serial))["isCurrent"])

    await until(is_current, "the kit has fetched its configuration")
    active = (await state_of(world, kit.serial))["activeConfigurationId"]
    await world.client.delete(f"/kit-configurations/{active}", headers=world.headers)
    assert (await world.command(kit, "Heater", {"heat": 1})).status_code == 200
    assert (await world.command(kit, "Cooler", {"heat": 1})).status_code == 400


async def test_a_kit_is_not_given_a_deleted_configuration(rpc_installation: RpcWorld) -> None:
    world = rpc_installation
    kit = await world.make_kit()
    active = (await state_of(world, kit.serial))["activeConfigurationId"]
    await world.client.delete(f"/kit-configurations/{active}", headers=world.headers)
    async with world.engine.connect() as connection:
        assert await active_configuration(connection, kit.serial) is None


async def test_a_configuration_that_would_crash_the_kit_is_named(rpc_installation: RpcWorld) -> None:
    world = rpc_installation
    camera = NewPeripheral(definition="Virtual random camera", name="Camera", configuration={"schedule": []})
    kit = await world.make_kit(peripherals=(camera,))
    assert "An empty schedule crashes the kit" in (await state_of(world, kit.serial))["advice"]
