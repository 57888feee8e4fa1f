"""Validation of control rules against the peripherals of their configuration (kit-mqtt 5). Pure.

Checked when the configuration is activated, and before it is given to a kit: the front-end writes rules before
it renames the peripheral that they name. A kit sends what rules produce without looking at the command schema
of the device, whose driver crashes the kit's program on what it does not expect.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from hortus.domain.kits.control_rules import MOST_FAULTS, RuleFault, broken_rules, is_number, rule_fault
from hortus.domain.kits.schemas import fault_by_schema

_MOST_MESSAGE_CHARACTERS = 200

# Where values between two ends are tried. No simple fractions: a schema that takes whole numbers only, or some
# numbers only, refuses at least one of them.
_BETWEEN = (0.0901699, 0.2360679, 0.3819660, 0.5278640, 0.6180339, 0.7639320, 0.9098300)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlledPeripheral:
    """What rules may refer to in a peripheral: the commands that it accepts, and the schema of a command."""

    definition_name: str
    commands: frozenset[str]
    command_schema: Any


def unusable_rules(
    control_rules: object, devices: Mapping[str, ControlledPeripheral], quantity_type_ids: frozenset[int]
) -> tuple[RuleFault, ...]:
    """Return the faults that keep a configuration with these peripherals (by name) from using the rules."""
    broken = broken_rules(control_rules)
    if broken:
        return broken
    assert isinstance(control_rules, dict)
    control = control_rules.get("fuzzyControl")
    if control is None:
        return ()
    return tuple(islice(_faults(control, devices, quantity_type_ids), MOST_FAULTS))


def _faults(
    control: dict[str, Any], devices: Mapping[str, ControlledPeripheral], quantity_type_ids: frozenset[int]
) -> Iterator[RuleFault]:
    for name, quantities in control["input"].items():
        place = f"fuzzyControl.input.{name}"
        if name not in devices:
            yield rule_fault(place, "the configuration has no peripheral of this name")
        for key in quantities:
            if int(key) not in quantity_type_ids:
                yield rule_fault(f"{place}.{key}", "there is no quantity type with this id")
    for name, commands in control["output"].items():
        place = f"fuzzyControl.output.{name}"
        if name not in devices:
            yield rule_fault(place, "the configuration has no peripheral of this name")
            continue
        for command, output in commands.items():
            yield from _output_faults(output, command, devices[name], f"{place}.{command}")


def _output_faults(
    output: dict[str, Any], command: str, device: ControlledPeripheral, place: str
) -> Iterator[RuleFault]:
    if command not in device.commands:
        yield rule_fault(place, "the peripheral has no such command")
        return
    if output["type"] == "continuous":
        produced = _continuous_values(output["continuous"], f"{place}.continuous")
    else:
        produced = _scheduled_values(output["scheduled"], f"{place}.scheduled")
    for where, value in produced:
        fault = fault_by_schema(device.command_schema, {command: value}, device.definition_name)
        if fault is not None:
            yield rule_fault(where, _shortened(fault.message))


def _continuous_values(continuous: dict[str, Any], place: str) -> Iterator[tuple[str, Any]]:
    """Yield values that a continuous output produces: its ends and some in between."""
    least, most = continuous["minimal"], continuous["maximal"]
    yield f"{place}.minimal", least
    yield f"{place}.maximal", most
    yield from _values_between(least, most, f"{place} (values between minimal and maximal)")


def _scheduled_values(scheduled: dict[str, Any], place: str) -> Iterator[tuple[str, Any]]:
    """Yield values that a scheduled output produces: those listed, and some in between if it interpolates."""
    for number, schedule in enumerate(scheduled["schedules"]):
        here = f"{place}.schedules[{number}].schedule"
        values = [entry["value"] for entry in schedule["schedule"]]
        for index, value in enumerate(values):
            yield f"{here}[{index}].value", value
        if scheduled["interpolated"]:
            # From the last value on to the first of the next day.
            for index, value in enumerate(values):
                until = values[(index + 1) % len(values)]
                yield from _values_between(value, until, f"{here}[{index}] (values until the next time)")


def _values_between(least: Any, most: Any, place: str) -> Iterator[tuple[str, Any]]:
    # Not next to a null, where a kit does not interpolate, and not between equals.
    if is_number(least) and is_number(most) and least != most:
        for fraction in _BETWEEN:
            yield place, least + fraction * (most - least)


def _shortened(message: str) -> str:
    if len(message) <= _MOST_MESSAGE_CHARACTERS:
        return message
    return message[:_MOST_MESSAGE_CHARACTERS] + "…"
