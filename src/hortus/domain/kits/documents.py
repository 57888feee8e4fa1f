"""Configurations and peripherals as JSON, in the form used for both API clients and kits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy.engine import RowMapping
from typing_extensions import TypedDict


class Peripheral(TypedDict):
    """A device of a configuration, and how it is set up."""

    id: int
    kitId: int
    kitConfigurationId: int
    peripheralDefinitionId: int
    name: str
    configuration: Any


class KitConfiguration(TypedDict):
    """A configuration. Once it was active, only its description can be changed, and whether it is active."""

    id: int
    kitId: int
    description: str | None
    controllerSymbolLocation: str
    controllerSymbol: str
    controlRules: Any
    active: bool
    neverUsed: bool


class KitConfigurationWithPeripherals(KitConfiguration):
    """A configuration and its peripherals."""

    peripherals: list[Peripheral]


def configuration_object(row: RowMapping) -> KitConfiguration:
    """Return the JSON object of a configuration row."""
    return {
        "id": row["id"],
        "kitId": row["kit_id"],
        "description": row["description"],
        "controllerSymbolLocation": row["controller_symbol_location"],
        "controllerSymbol": row["controller_symbol"],
        "controlRules": row["control_rules"],
        "active": row["active"],
        "neverUsed": row["never_used"],
    }


def configuration_with_peripherals(
    row: RowMapping, peripherals: Iterable[RowMapping]
) -> KitConfigurationWithPeripherals:
    """Return the JSON object of a configuration row, with its peripherals."""
    return {**configuration_object(row), "peripherals": [peripheral_object(each) for each in peripherals]}


def peripheral_object(row: RowMapping) -> Peripheral:
    """Return the JSON object of a peripheral row."""
    return {
        "id": row["id"],
        "kitId": row["kit_id"],
        "kitConfigurationId": row["kit_configuration_id"],
        "peripheralDefinitionId": row["peripheral_definition_id"],
        "name": row["name"],
        "configuration": row["configuration"],
    }
