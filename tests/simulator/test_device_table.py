"""Virtual devices agree with the built-in definitions; sensors read as specified by their data sheets."""

from __future__ import annotations

import json
import math
import random
from importlib import resources
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hortus.simulator.chamber import Chamber
from hortus.simulator.configuration import UnusableConfigurationError, fit_peripherals
from hortus.simulator.devices import DEVICES, CommandError, Device, device_defined_as, device_with_symbol
from hortus.simulator.layouts import KitLayout, demo_layouts
from hortus.simulator.surroundings import Site

DOCUMENT: dict[str, Any] = json.loads(
    (resources.files("hortus.domain.definitions") / "definitions.json").read_text("utf-8")
)
# A board's peripherals are not drivers of a kit: they exist in readings only.
DEFINITIONS: dict[str, Any] = {
    entry["name"]: entry for entry in DOCUMENT["peripheralDefinitions"] if entry["set"] != "board"
}
QUANTITY_TYPES = json.dumps(
    [{"id": number, **entry} for number, entry in enumerate(DOCUMENT["quantityTypes"], start=1)]
)
STATE = Chamber(site=Site(seed=3)).at_rest(1_780_000_000)

device_cases = pytest.mark.parametrize("device", DEVICES, ids=lambda device: device.definition_name)


def test_every_built_in_definition_has_a_device() -> None:
    assert [device.definition_name for device in DEVICES] == list(DEFINITIONS)


@device_cases
def test_a_device_is_found_by_its_driver_and_yields_the_expected_quantities(device: Device) -> None:
    definition = DEFINITIONS[device.definition_name]
    assert device_with_symbol(definition["symbolLocation"], definition["symbol"]) is device
    assert [
        {"physicalQuantity": channel.physical_quantity, "physicalUnit": channel.physical_unit}
        for channel in device.channels
    ] == definition["expectedQuantityTypes"]


@device_cases
def test_a_device_takes_the_commands_of_its_schema(device: Device) -> None:
    schema = DEFINITIONS[device.definition_name]["commandSchema"] or {}
    assert list(device.commands or {}) == list(schema.get("properties", {}))


@pytest.mark.parametrize("layout", demo_layouts(), ids=lambda layout: layout.key)
def test_the_configurations_of_the_demonstration_are_valid(layout: KitLayout) -> None:
    for peripheral in layout.peripherals:
        schema = DEFINITIONS[peripheral.definition_name]["configurationSchema"]
        jsonschema.validate(json.loads(json.dumps(peripheral.configuration)), schema)


@device_cases
def test_readings_are_within_range_and_multiples_of_the_resolution(device: Device) -> None:
    randomness = random.Random(1)
    for channel in device.channels:
        for _ in range(50):
            value = channel.read(STATE, randomness)
            assert channel.minimum <= value <= channel.maximum
            steps = value / channel.resolution
            assert steps == pytest.approx(round(steps), abs=1e-3)


@given(
    st.sampled_from(DEVICES),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["heat", "blue", "intensity", "x"]), inner)
        ),
    ),
)
def test_any_command_sets_percents_or_is_refused_with_an_explanation(device: Device, command: object) -> None:
    try:
        settings = device.settings_of(command)
    except CommandError:
        return
    assert settings
    assert all(0 <= percent <= 100 and math.isfinite(percent) for percent in settings.values())


def entry(name: str, definition_name: str, configuration: object) -> dict[str, Any]:
    device = device_defined_as(definition_name)
    return {
        "peripheral": {"id": 5, "name": name, "configuration": configuration},
        "definition": {"symbolLocation": device.symbol_location, "symbol": device.symbol},
    }


def fitted_names(*entries: object) -> list[str]:
    document = json.dumps({"peripherals": list(entries)})
    return [peripheral.name for peripheral in fit_peripherals(document, QUANTITY_TYPES)]


def test_a_peripheral_that_cannot_be_used_leaves_the_others_working(caplog: pytest.LogCaptureFixture) -> None:
    good = entry("Good", "Virtual pressure sensor", {"intervals": {"measurementInterval": 5}})
    unknown = entry("Odd", "Virtual pressure sensor", {})
    unknown["definition"]["symbol"] = "Sundial"
    no_intervals = entry("Bare", "Virtual pressure sensor", None)
    odd_intervals = entry("Odd intervals", "Virtual pressure sensor", {"intervals": 5})
    huge = entry("Huge", "Virtual heater", None)
    huge["peripheral"]["id"] = 2**31
    assert fitted_names(unknown, no_intervals, odd_intervals, huge, {}, None, 3, good) == ["Good"]
    assert len(caplog.messages) == 7


def test_of_peripherals_with_the_same_name_the_last_one_runs() -> None:
    intervals: dict[str, object] = {"intervals": {}}
    document = json.dumps(
        {"peripherals": [entry("Same", "Virtual barometer", intervals), entry("Same", "Virtual heater", None)]}
    )
    (peripheral,) = fit_peripherals(document, QUANTITY_TYPES)
    assert peripheral.device.definition_name == "Virtual heater"


def test_a_quantity_that_the_server_does_not_know_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    only_pressure = json.dumps([entry for entry in json.loads(QUANTITY_TYPES) if entry["id"] == 2])
    document = json.dumps({"peripherals": [entry("Climate", "Virtual barometer", {"intervals": {}})]})
    (peripheral,) = fit_peripherals(document, only_pressure)
    assert [measured.quantity_type for measured in peripheral.measured] == [2]
    assert "the server has no quantity type Temperature for peripheral “Climate”" in caplog.messages


@pytest.mark.parametrize("document", ["", "[]", "{}", "null", '{"peripherals": 3}', "[" * 100_000])
def test_a_document_that_is_not_a_configuration_is_refused(document: str) -> None:
    with pytest.raises(UnusableConfigurationError):
        fit_peripherals(document, QUANTITY_TYPES)
