"""Reads the answers to kits' boot-time questions from the database, in the form of kit-mqtt 4.4 and 4.5."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.definitions.tables import PeripheralDefinitionRow, QuantityTypeRow
from hortus.domain.kits.configurations import quantity_type_ids
from hortus.domain.kits.devices import (
    ConfiguredDevice,
    Definition,
    devices_by_name,
    faults_of_configuration,
)
from hortus.domain.kits.identity import is_serial_of_board
from hortus.domain.kits.tables import KitConfigurationRow, KitRow, PeripheralRow
from hortus.domain.kits.usable_rules import unusable_rules

_SOON_CHECKED_CHARACTERS = 16 * 1024
"""Longer configurations are checked in a thread, so that no other kit has to wait."""


async def quantity_types_json(connection: AsyncConnection) -> str:
    """Return all quantity types; never a subset, because a kit crashes if a sensor's type is missing."""
    rows = await connection.execute(select(QuantityTypeRow).order_by(QuantityTypeRow.id))
    return _json(
        [
            {
                "id": row["id"],
                "physicalQuantity": row["physical_quantity"],
                "physicalUnit": row["physical_unit"],
                "physicalUnitSymbol": row["physical_unit_symbol"],
            }
            for row in rows.mappings()
        ]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveConfiguration:
    """A configuration in the form sent to kits, and the faults in it that would crash a kit."""

    id: int
    json_text: str
    faults: tuple[str, ...]


async def active_configuration(connection: AsyncConnection, serial: str) -> ActiveConfiguration | None:
    """Return the kit's active configuration with its peripherals and their definitions; None without one."""
    configuration = (
        (
            await connection.execute(
                select(KitConfigurationRow)
                .join(KitRow, KitRow.id == KitConfigurationRow.kit_id)
                .where(KitRow.serial == serial, KitConfigurationRow.active)
            )
        )
        .mappings()
        .one_or_none()
    )
    if configuration is None:
        return None
    statement = select(PeripheralRow.__table__).where(PeripheralRow.kit_configuration_id == configuration["id"])
    peripherals = (await connection.execute(statement)).mappings().all()
    definitions = await connection.execute(
        select(PeripheralDefinitionRow.__table__)
        .join(PeripheralRow, PeripheralRow.peripheral_definition_id == PeripheralDefinitionRow.id)
        .where(PeripheralRow.kit_configuration_id == configuration["id"])
    )
    definition_by_id = {row["id"]: _definition(row) for row in definitions.mappings()}
    devices = [_device(row, definition_by_id[row["peripheral_definition_id"]]) for row in peripherals]
    json_text = _json(
        {
            "id": configuration["id"],
            "kitId": configuration["kit_id"],
            "description": configuration["description"],
            "controllerSymbolLocation": configuration["controller_symbol_location"],
            "controllerSymbol": configuration["controller_symbol"],
            "controlRules": configuration["control_rules"],
            "active": configuration["active"],
            "neverUsed": configuration["never_used"],
            "peripherals": [
                {
                    "peripheral": _peripheral(row),
                    "definition": definition_by_id[row["peripheral_definition_id"]],
                }
                for row in peripherals
            ],
        }
    )
    rules = configuration["control_rules"]
    known_types = await quantity_type_ids(connection)
    of_board = is_serial_of_board(serial)
    if len(json_text) < _SOON_CHECKED_CHARACTERS:
        faults = _faults(devices, rules, known_types, of_board)
    else:
        faults = await asyncio.to_thread(_faults, devices, rules, known_types, of_board)
    return ActiveConfiguration(id=configuration["id"], json_text=json_text, faults=faults)


def _faults(
    devices: list[ConfiguredDevice], control_rules: object, known_types: frozenset[int], of_board: bool
) -> tuple[str, ...]:
    unusable = unusable_rules(control_rules, devices_by_name(devices), known_types)
    return (*faults_of_configuration(devices, of_board=of_board), *map(str, unusable))


def _device(row: Any, definition: dict[str, Any]) -> ConfiguredDevice:
    return ConfiguredDevice(
        name=row["name"],
        definition=Definition(
            id=definition["id"],
            name=definition["name"],
            symbol_location=definition["symbolLocation"],
            symbol=definition["symbol"],
            configuration_schema=definition["configurationSchema"],
            command_schema=definition["commandSchema"],
        ),
        configuration=row["configuration"],
    )


def _peripheral(row: Any) -> dict[str, Any]:
    return {
        "id": row["id"],
        "kitId": row["kit_id"],
        "kitConfigurationId": row["kit_configuration_id"],
        "peripheralDefinitionId": row["peripheral_definition_id"],
        "name": row["name"],
        "configuration": row["configuration"],
    }


def _definition(row: Any) -> dict[str, Any]:
    return {
        "id": row["id"],
        "name": row["name"],
        "description": row["description"],
        "brand": row["brand"],
        "model": row["model"],
        "symbolLocation": row["symbol_location"],
        "symbol": row["symbol"],
        "configurationSchema": row["configuration_schema"],
        "commandSchema": row["command_schema"],
    }


def _json(document: object) -> str:
    return orjson.dumps(document).decode()
