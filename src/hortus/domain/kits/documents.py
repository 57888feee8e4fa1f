"""Configurations and peripherals as JSON, alike for clients of the API and for kits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy.engine import RowMapping


def configuration_object(row: RowMapping) -> dict[str, Any]:
    """Return the configuration in a row of its table."""
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


def configuration_with_peripherals(row: RowMapping, peripherals: Iterable[RowMapping]) -> dict[str, Any]:
    """Return the configuration with its peripherals."""
    return configuration_object(row) | {"peripherals": [peripheral_object(each) for each in peripherals]}


def peripheral_object(row: RowMapping) -> dict[str, Any]:
    """Return the peripheral in a row of its table."""
    return {
        "id": row["id"],
        "kitId": row["kit_id"],
        "kitConfigurationId": row["kit_configuration_id"],
        "peripheralDefinitionId": row["peripheral_definition_id"],
        "name": row["name"],
        "configuration": row["configuration"],
    }
