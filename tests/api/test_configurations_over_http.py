"""Configurations and peripherals over HTTP (http-api 4.6 and 4.7, kit-mqtt 4.4 to 4.6 and 5)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from api_client import Installation, assert_invalid, assert_problem
from workbench import BAROMETER, CAMERA, HEATER, INTERVALS, LOGGER, REAL_CAMERA, SOIL_PROBE, Workbench, rules

from hortus.domain.kits import configurations

NAME_LENGTH = {"mustHaveLengthBetween": {"min": 1, "max": 40}}


async def test_a_new_configuration_is_empty_and_inactive(api: Installation) -> None:
    bench = await Workbench.of(api)
    made = await bench.configuration("Basil, week 1")
    assert made == {
        "id": made["id"],
        "kitId": bench.kit.id,
        "description": "Basil, week 1",
        "controllerSymbolLocation": "astroplant_kit.controller",
        "controllerSymbol": "AstroplantControllerV1",
        "controlRules": {},
        "active": False,
        "neverUsed": True,
    }
    assert await bench.listed() == [{**made, "peripherals": []}]


async def test_peripherals_are_added_changed_listed_and_deleted(api: Installation) -> None:
    bench = await Workbench.of(api)
    configuration_id = (await bench.configuration())["id"]
    added = await bench.add(configuration_id, BAROMETER, "Climate", INTERVALS)
    assert added.status_code == 200
    peripheral = added.json()
    assert peripheral == {
        "id": peripheral["id"],
        "kitId": bench.kit.id,
        "kitConfigurationId": configuration_id,
        "peripheralDefinitionId": BAROMETER,
        "name": "Climate",
        "configuration": INTERVALS,
    }
    heater = (await bench.add(configuration_id, HEATER, "Heater", None)).json()
    assert heater["configuration"] is None
    # As the front-end does: the whole object, with keys that cannot be changed.
    settings = {"intervals": {"measurementInterval": 5, "aggregateInterval": 60}}
    change = {**peripheral, "name": "Air", "configuration": settings, "kitId": 1, "id": 2}
    changed = await bench.request("PATCH", f"/peripherals/{peripheral['id']}", change)
    assert changed.json() == {**peripheral, "name": "Air", "configuration": settings}
    same = await bench.request("PATCH", f"/peripherals/{peripheral['id']}", {"name": None})
    assert (same.status_code, same.json()) == (200, changed.json())
    assert (await bench.listed())[0]["peripherals"] == [changed.json(), heater]
    deleted = await bench.request("DELETE", f"/peripherals/{heater['id']}")
    assert (deleted.status_code, deleted.content) == (200, b"")
    assert (await bench.listed())[0]["peripherals"] == [changed.json()]


async def test_a_peripheral_that_breaks_rules_is_refused(api: Installation) -> None:
    bench = await Workbench.of(api)
    configuration_id = (await bench.configuration())["id"]
    assert_invalid(await bench.add(configuration_id, HEATER, "", None), name=[NAME_LENGTH])
    assert_invalid(await bench.add(configuration_id, HEATER, "a" * 41, None), name=[NAME_LENGTH])
    assert_invalid(await bench.add(configuration_id, 2**31 - 1, "a", None), peripheralDefinitionId=["notFound"])
    for definition, settings in (
        (HEATER, {}),
        (BAROMETER, None),
        (BAROMETER, {"intervals": {"measurementInterval": 4, "aggregateInterval": 60}}),
        (CAMERA, {"schedule": [{"time": "12:00:00", "command": "paint"}]}),
    ):
        assert_invalid(await bench.add(configuration_id, definition, "a", settings), configuration=["other"])
    response = await bench.request(
        "POST",
        f"/kit-configurations/{configuration_id}/peripherals",
        {"peripheralDefinitionId": HEATER, "name": "a"},
    )
    assert_problem(response, 400, "/probs/invalid-json", category="semantic")


async def test_a_name_is_taken_once_in_a_configuration(api: Installation) -> None:
    bench = await Workbench.of(api)
    configuration_id = await bench.runnable()
    taken = await bench.add(configuration_id, HEATER, "Climate", None)
    assert "Climate" in taken.json()["detail"]
    assert_invalid(taken, name=["alreadyExists"])
    heater = (await bench.listed())[0]["peripherals"][1]
    renamed = await bench.request("PATCH", f"/peripherals/{heater['id']}", {"name": "Climate"})
    assert_invalid(renamed, name=["alreadyExists"])
    other = (await bench.configuration())["id"]
    assert (await bench.add(other, HEATER, "Climate", None)).status_code == 200


async def test_a_configuration_with_the_data_logger_becomes_active(api: Installation) -> None:
    bench = await Workbench.of(api)
    configuration_id = await bench.runnable()
    logger = await bench.add(configuration_id, LOGGER, "Logger", {"storagePath": "./data"})
    assert logger.status_code == 200
    assert (await bench.change(configuration_id, active=True)).status_code == 200


async def test_a_definition_of_boards_is_for_boards_only(api: Installation) -> None:
    bench = await Workbench.of(api)
    configuration_id = (await bench.configuration())["id"]
    refused = await bench.add(configuration_id, SOIL_PROBE, "Soil", {})
    assert "for boards that send over HTTP" in refused.json()["detail"]
    assert_invalid(refused, peripheralDefinitionId=["other"])
    # It may come with a copy of a board's configuration.
    await api.run(
        "INSERT INTO peripherals (kit_id, kit_configuration_id, peripheral_definition_id, name, configuration) "
        "VALUES (:kit, :configuration, :definition, 'Soil', '{}')",
        kit=bench.kit.id,
        configuration=configuration_id,
        definition=SOIL_PROBE,
    )
    assert_invalid(await bench.change(configuration_id, active=True), active=["other"])
    await api.run("UPDATE kits SET serial = 'pk-12' WHERE id = :kit", kit=bench.kit.id)
    assert (await bench.change(configuration_id, active=True)).status_code == 200


async def test_what_would_crash_a_kit_is_refused_with_an_explanation(api: Installation) -> None:
    bench = await Workbench.of(api)
    configuration_id = (await bench.configuration())["id"]
    # As the definition of the data logger is in a database that was filled by AstroPlant's own back end.
    await api.run("UPDATE peripheral_definitions SET symbol_location = 'peripheral' WHERE id = :id", id=LOGGER)
    logger = await bench.add(configuration_id, LOGGER, "Logger", {"storagePath": "./data"})
    assert "crash" in logger.json()["detail"]
    assert_invalid(logger, peripheralDefinitionId=["other"])
    for schedule in ([], [{"time": "12:00:00Z", "command": "art"}], [{"time": "noon", "command": "art"}]):
        camera = await bench.add(configuration_id, CAMERA, "Camera", {"schedule": schedule})
        assert "schedule" in camera.json()["detail"]
        assert_invalid(camera, configuration=["other"])
    assert (
        await bench.add(configuration_id, CAMERA, "Camera", {"schedule": [{"time": "12:00", "command": "art"}]})
    ).status_code == 200


async def test_a_configuration_with_what_crashes_a_kit_does_not_become_active(api: Installation) -> None:
    bench = await Workbench.of(api)
    configuration_id = (await bench.configuration())["id"]
    # As it may be in a database that comes from elsewhere.
    await api.run("UPDATE peripheral_definitions SET symbol_location = 'peripheral' WHERE id = :id", id=LOGGER)
    await api.run(
        "INSERT INTO peripherals (kit_id, kit_configuration_id, peripheral_definition_id, name, configuration) "
        "VALUES (:kit, :configuration, :definition, 'Logger', '{\"storagePath\": \"./data\"}')",
        kit=bench.kit.id,
        configuration=configuration_id,
        definition=LOGGER,
    )
    refused = await bench.change(configuration_id, active=True)
    assert "Logger" in refused.json()["detail"]
    assert_invalid(refused, active=["other"])


async def test_a_camera_that_needs_the_lamp_does_not_become_active_without_it(api: Installation) -> None:
    bench = await Workbench.of(api)
    configuration_id = (await bench.configuration())["id"]
    settings = {"camera": "piCameraV2", "schedule": [{"time": "12:00:00", "command": "ndvi"}]}
    assert (await bench.add(configuration_id, REAL_CAMERA, "Camera", settings)).status_code == 200
    assert_invalid(await bench.change(configuration_id, active=True), active=["other"])
    lamp = {"gpioAddressBlue": 21, "gpioAddressRed": 20, "gpioAddressFarRed": 18}
    assert (await bench.add(configuration_id, 12, "Lamp", lamp)).status_code == 200
    assert (await bench.change(configuration_id, active=True)).status_code == 200


async def test_one_configuration_at_a_time_is_active_and_once_active_it_stays_as_it_is(
    api: Installation,
) -> None:
    bench = await Workbench.of(api)
    first, second = await bench.runnable(), await bench.runnable()
    activated = await bench.change(first, active=True)
    assert activated.status_code == 200
    assert (activated.json()["active"], activated.json()["neverUsed"]) == (True, False)
    assert activated.json().keys() == {
        *("id", "kitId", "description", "controllerSymbolLocation", "controllerSymbol"),
        *("controlRules", "active", "neverUsed"),
    }
    await bench.change(second, active=True)
    assert [(each["active"], each["neverUsed"]) for each in await bench.listed()] == [
        (False, False),
        (True, False),
    ]
    for body in (
        {"controlRules": {}},
        {"controllerSymbol": "Other"},
        {"controllerSymbolLocation": "other", "description": "x"},
    ):
        assert_invalid(await bench.change(first, **body), configurationId=["alreadyActivated"])
    peripheral = (await bench.listed())[0]["peripherals"][0]
    for response in (
        await bench.add(first, HEATER, "Other", None),
        await bench.request("PATCH", f"/peripherals/{peripheral['id']}", {"name": "Other"}),
        await bench.request("DELETE", f"/peripherals/{peripheral['id']}"),
    ):
        assert_invalid(response, configurationId=["alreadyActivated"])
    described = await bench.change(first, description="Old", controlRules=None, active=False)
    assert (described.status_code, described.json()["description"]) == (200, "Old")
    assert [each["active"] for each in await bench.listed()] == [False, True]
    emptied = await bench.change(first, description=None)
    assert emptied.json()["description"] is None
    same = await bench.change(first)
    assert (same.status_code, same.json()) == (200, emptied.json())
    off = await bench.change(second, active=False)
    assert off.json()["active"] is False


@pytest.mark.parametrize("settings", [{"gpioAddress": -1, **INTERVALS}, {"remark": "x" * 65_536, **INTERVALS}])
async def test_figures_that_no_kit_can_use_are_refused(api: Installation, settings: Any) -> None:
    bench = await Workbench.of(api)
    configuration_id = (await bench.configuration())["id"]
    refused = await bench.add(configuration_id, BAROMETER, "Climate", settings)
    assert refused.json()["detail"]
    assert_invalid(refused, configuration=["other"])


async def test_an_interval_of_ages_is_refused_and_does_not_become_active(api: Installation) -> None:
    bench = await Workbench.of(api)
    configuration_id = await bench.runnable()
    ages = {"intervals": {"measurementInterval": 1e30, "aggregateInterval": 1800}}
    expected = "intervals.measurementInterval: a number of seconds from 1 to 86400 is expected."
    refused = await bench.add(configuration_id, BAROMETER, "Air", ages)
    assert refused.json()["detail"] == expected
    assert_invalid(refused, configuration=["other"])
    climate = (await bench.listed())[0]["peripherals"][0]["id"]
    changed = await bench.request("PATCH", f"/peripherals/{climate}", {"configuration": ages})
    assert_invalid(changed, configuration=["other"])
    # As it may be in a database from before it was bounded.
    await api.run(
        "UPDATE peripherals SET configuration = CAST(:ages AS json) WHERE id = :id",
        ages=json.dumps(ages),
        id=climate,
    )
    refused = await bench.change(configuration_id, active=True)
    assert refused.json()["detail"] == f"Climate: {expected}"
    assert_invalid(refused, active=["other"])


async def test_what_all_peripherals_are_set_to_is_bounded_together(api: Installation) -> None:
    bench = await Workbench.of(api)
    configuration_id = await bench.runnable()
    for number in range(5):
        long = {**INTERVALS, "remark": "x" * 60_000}
        assert (await bench.add(configuration_id, BAROMETER, f"Air {number}", long)).status_code == 200
    refused = await bench.change(configuration_id, active=True)
    assert "262144 bytes" in refused.json()["detail"]
    assert_invalid(refused, active=["other"])


async def test_a_body_of_too_many_values_is_refused(api: Installation) -> None:
    bench = await Workbench.of(api)
    configuration_id = (await bench.configuration())["id"]
    for many in ([[]] * 50_000, [{}] * 50_000, [0] * 50_001, {str(each): each for each in range(50_001)}):
        refused = await bench.change(configuration_id, controlRules=many)
        assert_problem(refused, 400, "/probs/invalid-json", category="semantic")
        assert "50000 values" in refused.json()["detail"]
    # A long text is no problem.
    assert (await bench.change(configuration_id, description="x" * 1_000_000)).status_code == 200


async def test_a_controller_is_a_module_and_a_class(api: Installation) -> None:
    bench = await Workbench.of(api)
    configuration_id = (await bench.configuration())["id"]
    refused = await bench.change(configuration_id, controllerSymbol="", controllerSymbolLocation="a..b")
    assert_invalid(refused, controllerSymbol=["other"], controllerSymbolLocation=["other"])
    changed = await bench.change(configuration_id, controllerSymbol="Mine", controllerSymbolLocation="my.own")
    assert (changed.json()["controllerSymbol"], changed.json()["controllerSymbolLocation"]) == (
        "Mine",
        "my.own",
    )


async def test_a_configuration_is_copied_with_rules_and_peripherals(api: Installation) -> None:
    bench = await Workbench.of(api)
    source = await bench.runnable()
    await bench.change(source, controlRules=rules())
    await bench.change(source, active=True)
    target = await Workbench.of(api)
    at = f"/kits/{target.kit.serial}/configurations"
    # A person who may not see the source learns nothing about it.
    hidden = await target.request("POST", at, source=source)
    absent = await target.request("POST", at, source=2**31 - 1)
    assert (hidden.status_code, hidden.content) == (absent.status_code, absent.content)
    assert_problem(hidden, 404)
    await api.join(bench.kit, target.owner)
    made = await target.request("POST", at, source=source)
    copy = made.json()
    assert (made.status_code, copy) == (
        200,
        {
            "id": copy["id"],
            "kitId": target.kit.id,
            "description": f"Copy of #{source} - Basil",
            "controllerSymbolLocation": "astroplant_kit.controller",
            "controllerSymbol": "AstroplantControllerV1",
            "controlRules": rules(),
            "active": False,
            "neverUsed": True,
        },
    )
    [listed] = await target.listed()
    assert [(each["name"], each["kitId"], each["configuration"]) for each in listed["peripherals"]] == [
        ("Climate", target.kit.id, INTERVALS),
        ("Heater", target.kit.id, None),
    ]
    originals = {each["id"] for each in (await bench.listed())[0]["peripherals"]}
    assert originals.isdisjoint(each["id"] for each in listed["peripherals"])


async def test_either_a_body_or_a_source_makes_a_configuration(api: Installation) -> None:
    bench = await Workbench.of(api)
    source = (await bench.configuration())["id"]
    at = f"/kits/{bench.kit.serial}/configurations"
    assert_problem(await bench.request("POST", at), 400)
    assert_problem(await bench.request("POST", at, {}, source=source), 400)
    copy = await bench.request("POST", at, source=source)
    assert copy.json()["description"] == f"Copy of #{source}"


async def test_what_is_written_in_all_configurations_of_a_kit_is_bounded(
    api: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(configurations, "MOST_BYTES", 1700)
    bench = await Workbench.of(api)
    first = (await bench.configuration("x" * 600))["id"]
    assert (await bench.add(first, BAROMETER, "Climate", INTERVALS)).status_code == 200
    peripheral = (await bench.listed())[0]["peripherals"][0]["id"]
    long = {**INTERVALS, "remark": "x" * 2000}
    new = f"/kits/{bench.kit.serial}/configurations"
    assert (await bench.request("POST", new, source=first)).status_code == 200
    before = await bench.listed()
    for refused in (
        await bench.request("POST", new, {"description": "x" * 600}),
        await bench.request("POST", new, source=first),
        await bench.change(first, description="x" * 2000),
        await bench.add(first, BAROMETER, "Air", long),
        await bench.request("PATCH", f"/peripherals/{peripheral}", {"configuration": long}),
    ):
        assert_problem(refused, 403)
        assert "1700 bytes" in refused.json()["detail"]
    assert await bench.listed() == before
    assert (await bench.change(first, active=True)).status_code == 200
