"""What control rules can send to a device matches the command schema of its definition."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hortus.domain.definitions.store import built_in_definitions
from hortus.domain.kits.devices import ConfiguredDevice, Definition, devices_by_name, faults_of_configuration
from hortus.domain.kits.usable_rules import ControlledPeripheral, unusable_rules
from hortus.simulator.devices import Device, device_with_symbol

DEFINITIONS = [
    Definition(
        id=number,
        name=entry["name"],
        symbol_location=entry["symbolLocation"],
        symbol=entry["symbol"],
        configuration_schema=entry["configurationSchema"],
        command_schema=entry["commandSchema"],
    )
    for number, entry in enumerate(built_in_definitions()["peripheralDefinitions"], start=1)
    if entry["set"] != "board"
]
BY_NAME = {definition.name: definition for definition in DEFINITIONS}
HEATER = BY_NAME["Virtual heater"].device


def scheduled(*values: Any, interpolated: bool = False) -> dict[str, Any]:
    entries = [{"time": f"{hour:02}:00:00", "value": value} for hour, value in enumerate(values)]
    details = {"interpolated": interpolated, "schedules": [{"schedule": entries}]}
    return {"type": "scheduled", "scheduled": details}


def continuous(minimal: Any, maximal: Any) -> dict[str, Any]:
    return {"type": "continuous", "continuous": {"minimal": minimal, "maximal": maximal}}


def faults(output: dict[str, Any], device: ControlledPeripheral = HEATER, command: str = "heat") -> list[str]:
    document = {"fuzzyControl": {"input": {}, "output": {"Heater": {command: output}}, "rules": []}}
    return [str(fault) for fault in unusable_rules(document, {"Heater": device}, frozenset())]


def device_of(schema: dict[str, Any], **of_object: Any) -> ControlledPeripheral:
    command_schema = {"type": "object", "properties": {"heat": schema}, **of_object}
    return ControlledPeripheral(
        definition_name="Oven", commands=frozenset({"heat"}), command_schema=command_schema
    )


def test_a_word_where_the_device_takes_a_number_is_refused_with_path_and_reason() -> None:
    place = "fuzzyControl.output.Heater.heat.scheduled.schedules[0].schedule[0].value"
    assert faults(scheduled("hot")) == [f"{place}: 'hot' is not of type 'number'."]
    [interpolated] = faults(scheduled([1], interpolated=True))
    assert interpolated.startswith(f"{place}: a number")


@pytest.mark.parametrize("value", [None, True, [1], {"heat": 1}, 10.5, -1])
def test_each_value_of_a_schedule_is_checked(value: Any) -> None:
    [fault] = faults(scheduled(3, value))
    assert "schedule[1].value" in fault


def test_both_ends_of_a_continuous_output_are_checked() -> None:
    low, high, *between = faults(continuous(-500, 500))
    assert low == ("fuzzyControl.output.Heater.heat.continuous.minimal: -500 is less than the minimum of 0.")
    assert high == (
        "fuzzyControl.output.Heater.heat.continuous.maximal: 500 is greater than the maximum of 10."
    )
    assert all("between minimal and maximal" in fault for fault in between)
    assert faults(continuous(0, 10)) == []
    assert faults(continuous(10, 0)) == []


def test_values_between_are_checked_where_a_kit_computes_them() -> None:
    whole = device_of({"type": "integer", "minimum": 0, "maximum": 10})
    assert faults(scheduled(0, 10), whole) == []
    assert any("until the next time" in fault for fault in faults(scheduled(0, 10, interpolated=True), whole))
    assert any("between minimal and maximal" in fault for fault in faults(continuous(0, 10), whole))
    steps = device_of({"enum": [0, 5, 10]})
    assert faults(scheduled(0, 5, 10), steps) == []
    assert faults(continuous(0, 10), steps)
    assert faults(continuous(5, 5), steps) == []


def test_a_device_that_needs_more_than_the_one_key_of_a_rule_is_not_controlled() -> None:
    demanding = device_of({"type": "number"}, required=["heat", "minutes"])
    assert any("'minutes' is a required property" in fault for fault in faults(scheduled(3), demanding))


def test_a_definition_whose_schema_cannot_be_used_is_named() -> None:
    [invalid] = faults(scheduled(3), device_of({"type": "warmth"}))
    assert "The definition of Oven has an invalid schema" in invalid
    [dangling] = faults(scheduled(3), device_of({"$ref": "#/nowhere"}))
    assert "The definition of Oven has an unusable schema" in dangling


def test_a_reason_does_not_repeat_a_long_value() -> None:
    [fault] = faults(scheduled("hot" * 1000))
    assert len(fault) < 400


def test_every_built_in_definition_names_a_module_that_kits_have() -> None:
    devices = [
        ConfiguredDevice(
            name=definition.name, definition=definition, configuration=minimal_settings(definition)
        )
        for definition in DEFINITIONS
    ]
    assert faults_of_configuration(devices, of_board=False) == []
    # The programs and libraries of kit-mqtt 4.5.
    packages = {definition.symbol_location.split(".")[0] for definition in DEFINITIONS}
    assert packages == {"astroplant_kit", "astroplant_simulation", "astroplant_peripheral_device_library"}


def minimal_settings(definition: Definition) -> Any:
    """Return the defaults of a definition, and one picture at noon for a camera."""
    return _default(definition.configuration_schema)


def _default(schema: dict[str, Any]) -> Any:
    if "default" in schema or schema["type"] == "null":
        return schema.get("default")
    if "enum" in schema:
        return schema["enum"][0]
    if schema["type"] == "object":
        return {name: _default(schema["properties"][name]) for name in schema.get("required", ())}
    if schema["type"] == "array":
        return [_default(schema["items"])]
    return "12:00:00"


VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-5, 105)
    | st.floats(-5, 105)
    | st.text(max_size=3)
    | st.lists(st.integers(0, 9), max_size=2)
    | st.dictionaries(st.sampled_from(["heat", "blue"]), st.integers(0, 9), max_size=1)
)
OUTPUTS = st.builds(continuous, VALUES, VALUES) | st.builds(
    lambda values, interpolated: scheduled(*values, interpolated=interpolated),
    st.lists(VALUES, min_size=1, max_size=4),
    st.booleans(),
)
CONTROLLABLE = [(definition, command) for definition in DEFINITIONS for command in sorted(definition.commands)]


@settings(max_examples=500)
@given(
    controlled=st.sampled_from(CONTROLLABLE),
    output=OUTPUTS,
    moments=st.lists(st.floats(0, 1), min_size=1, max_size=5),
)
def test_what_is_accepted_never_makes_a_virtual_kit_raise(
    controlled: tuple[Definition, str], output: dict[str, Any], moments: list[float]
) -> None:
    definition, command = controlled
    configured = ConfiguredDevice(name="Heater", definition=definition, configuration=None)
    document = {"fuzzyControl": {"input": {}, "output": {"Heater": {command: output}}, "rules": []}}
    if unusable_rules(document, devices_by_name([configured]), frozenset()):
        return
    device = device_with_symbol(definition.symbol_location, definition.symbol)
    assert device is not None
    for moment in moments:
        for value in sent(output, moment):
            carry_out(device, command, value)


def sent(output: dict[str, Any], moment: float) -> list[Any]:
    """Return what a kit sends at this moment of a course or day, computed as it does (kit-mqtt 5)."""
    if output["type"] == "continuous":
        lowest, highest = output["continuous"]["minimal"], output["continuous"]["maximal"]
        return [max(lowest, min(highest, lowest + moment * (highest - lowest)))]
    values = [entry["value"] for entry in output["scheduled"]["schedules"][0]["schedule"]]
    if not output["scheduled"]["interpolated"]:
        return values
    following = [*values[1:], values[0]]
    return [
        here if here is None or there is None else here + (there - here) * moment
        for here, there in zip(values, following, strict=True)
    ]


def carry_out(device: Device, command: str, value: Any) -> None:
    """Do with a value what the drivers of kits do: compute a percentage of full power. Raises as they do."""
    # The heater of astroplant_simulation: FULL_WATTAGE * command["heat"] / 100.
    assert math.isfinite(10.0 * value / 100.0)
    [percent] = device.settings_of({command: value}).values()
    assert percent == value
