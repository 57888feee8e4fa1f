"""Which configuration a kit runs, and what a person is told to do."""

from __future__ import annotations

from typing import Any

from rpc_world import INTERVALS, RpcWorld

from hortus.kits.store import NewPeripheral, add_configuration
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


async def test_a_kit_without_active_configuration_is_told_apart(rpc_installation: RpcWorld) -> None:
    world = rpc_installation
    kit = await world.make_kit()
    await world.run_sql("UPDATE kit_configurations SET active = false")
    state = await state_of(world, kit.serial)
    assert (state["activeConfigurationId"], state["isCurrent"]) == (None, False)
    assert "no active configuration" in state["advice"]


async def test_a_configuration_that_would_crash_the_kit_is_named(rpc_installation: RpcWorld) -> None:
    world = rpc_installation
    camera = NewPeripheral(definition="Virtual random camera", name="Camera", configuration={"schedule": []})
    kit = await world.make_kit(peripherals=(camera,))
    assert "An empty schedule crashes the kit" in (await state_of(world, kit.serial))["advice"]
