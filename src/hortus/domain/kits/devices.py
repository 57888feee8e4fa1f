"""Validation of peripherals: whether a kit can run them as configured (kit-mqtt 4.4 to 4.6). Pure.

A kit imports the class that the definition names and reads the configuration without checking it; anything
missing or unexpected crashes its program at boot, where nobody sees the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hortus.domain.kits.control_rules import is_time_of_day
from hortus.domain.kits.figures import figure_out_of_bounds
from hortus.domain.kits.schemas import SchemaFault, fault_by_schema
from hortus.domain.kits.usable_rules import ControlledPeripheral

MOST_NAME_CHARACTERS = 40

# What AstroPlant's own back end has as the module of the "Local data logger"; kits have the class elsewhere and
# crash (kit-mqtt 4.5). A database may have been filled from there.
_MODULES_THAT_NO_KIT_HAS = frozenset({"peripheral"})
_MODULE_OF_BOARDS = "plantkeeper"

# The camera commands that switch the lamp, and the class names of camera and lamp.
_COMMANDS_THAT_NEED_A_LAMP = frozenset({"regular", "nir", "ndvi"})
_CAMERA, _LAMP = "PiCameraV2", "LedPanel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """The relevant parts of a peripheral definition."""

    id: int
    name: str
    symbol_location: str
    symbol: str
    configuration_schema: Any
    command_schema: Any

    @property
    def commands(self) -> frozenset[str]:
        """The commands that control rules can send: the keys of an object, since rules always send one."""
        schema = self.command_schema
        if not isinstance(schema, dict) or schema.get("type") != "object":
            return frozenset()
        properties = schema.get("properties")
        return frozenset(properties) if isinstance(properties, dict) else frozenset()

    @property
    def device(self) -> ControlledPeripheral:
        """What control rules may refer to in a peripheral of this definition."""
        return ControlledPeripheral(
            definition_name=self.name, commands=self.commands, command_schema=self.command_schema
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguredDevice:
    """A peripheral of a configuration with its definition."""

    name: str
    definition: Definition
    configuration: Any


def crash_by_definition(definition: Definition, *, of_board: bool) -> str | None:
    """Return why a kit with a peripheral of this definition would crash, or None. A board imports nothing."""
    if of_board:
        return None
    if definition.symbol_location == _MODULE_OF_BOARDS:
        return (
            f"{definition.name} is for boards that send over HTTP: kits have no module named "
            f"{_MODULE_OF_BOARDS!r} and would crash at boot."
        )
    if definition.symbol_location in _MODULES_THAT_NO_KIT_HAS:
        return (
            f"{definition.name} cannot be used: kits have no module named {definition.symbol_location!r} and "
            "would crash at boot."
        )
    return None


def fault_of_configuration(definition: Definition, configuration: Any) -> str | None:
    """Return the first fault in a peripheral's configuration as a sentence, or None."""
    fault = _configuration_fault(definition, configuration)
    return fault.sentence if fault is not None else None


def setting_at_fault(definition: Definition, configuration: Any) -> SchemaFault | None:
    """Return the first setting of a peripheral that a kit could not work with, or None.

    The limits come before the schema, which takes long to check a large configuration.
    """
    return figure_out_of_bounds(configuration) or _configuration_fault(definition, configuration)


def faults_of_configuration(devices: list[ConfiguredDevice], *, of_board: bool) -> list[str]:
    """Return the reasons why a kit, or a board, could not run these peripherals together."""
    faults = []
    names: set[str] = set()
    has_lamp = any(device.definition.symbol == _LAMP for device in devices)
    for device in devices:
        if device.name in names:
            faults.append(f"Two peripherals are named {device.name}; a kit would run only one of them.")
        names.add(device.name)
        own_faults = (
            crash_by_definition(device.definition, of_board=of_board),
            fault_of_configuration(device.definition, device.configuration),
        )
        faults += [f"{device.name}: {fault}" for fault in own_faults if fault is not None]
        if device.definition.symbol == _CAMERA and not has_lamp and _needs_lamp(device.configuration):
            faults.append(
                f"{device.name}: the commands regular, nir and ndvi need an LED panel in the configuration."
            )
    return faults


def devices_by_name(devices: list[ConfiguredDevice]) -> Mapping[str, ControlledPeripheral]:
    """Return what control rules may refer to, by peripheral name."""
    return {device.name: device.definition.device for device in devices}


def _configuration_fault(definition: Definition, configuration: Any) -> SchemaFault | None:
    by_schema = fault_by_schema(definition.configuration_schema, configuration, definition.name)
    return by_schema or _fault_of_schedule(configuration)


def _fault_of_schedule(configuration: Any) -> SchemaFault | None:
    """Return a fault in a camera's schedule that its schema does not catch, or None."""
    schedule = configuration.get("schedule") if isinstance(configuration, dict) else None
    if not isinstance(schedule, list):
        return None
    if not schedule:
        message = "An empty schedule crashes the kit. Enter at least one time and command."
        return SchemaFault(place=("schedule",), message=message)
    for index, entry in enumerate(schedule):
        if isinstance(entry, dict) and "time" in entry and not is_time_of_day(entry["time"]):
            message = "A time of day as HH:MM:SS is expected, without a time zone."
            return SchemaFault(place=("schedule", index, "time"), message=message)
    return None


def _needs_lamp(configuration: Any) -> bool:
    schedule = configuration.get("schedule") if isinstance(configuration, dict) else None
    entries = schedule if isinstance(schedule, list) else []
    return any(
        # As text: a user may have entered anything, including values that are not hashable.
        isinstance(entry, dict) and str(entry.get("command")) in _COMMANDS_THAT_NEED_A_LAMP
        for entry in entries
    )
