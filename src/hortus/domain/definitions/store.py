"""The built-in definitions, and loading them into the database."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from typing import Any, cast

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.definitions.tables import (
    ExpectedQuantityTypeRow,
    PeripheralDefinitionRow,
    QuantityTypeRow,
)
from hortus.domain.plausibility.limits import load_limits


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedDefinitions:
    """How many definitions a load added; existing ones are not counted."""

    quantity_types: int
    peripheral_definitions: int


def built_in_definitions() -> dict[str, Any]:
    """Return the definitions that ship with Hortus, in the order in which they get their ids."""
    text = (resources.files("hortus.domain.definitions") / "definitions.json").read_text("utf-8")
    return cast("dict[str, Any]", json.loads(text))


async def load_definitions(
    connection: AsyncConnection, *, simulation: bool = True, update_existing: bool = False
) -> LoadedDefinitions:
    """Insert the built-in quantity types and peripheral definitions that are missing, and load their limits.

    Idempotent, unless `update_existing` is set: then definitions of the same name are overwritten.
    `simulation` includes the virtual peripherals. The caller commits.
    """
    document = built_in_definitions()
    wanted = [
        definition
        for definition in document["peripheralDefinitions"]
        if simulation or definition["set"] != "simulation"
    ]
    added_types = await _load_quantity_types(connection, document["quantityTypes"])
    quantity_type_ids = await quantity_type_ids_by_key(connection)
    known = set((await connection.execute(select(PeripheralDefinitionRow.name))).scalars())
    added = 0
    for definition in wanted:
        if definition["name"] in known and not update_existing:
            continue
        await _write_definition(connection, definition, quantity_type_ids)
        added += definition["name"] not in known
    await load_limits(connection, document["plausibleLimits"])
    return LoadedDefinitions(quantity_types=added_types, peripheral_definitions=added)


async def quantity_type_ids_by_key(connection: AsyncConnection) -> dict[tuple[str, str], int]:
    """Return the id of each quantity type by (physical quantity, physical unit)."""
    rows = await connection.execute(
        select(QuantityTypeRow.physical_quantity, QuantityTypeRow.physical_unit, QuantityTypeRow.id)
    )
    return {(quantity, unit): identifier for quantity, unit, identifier in rows}


async def _load_quantity_types(connection: AsyncConnection, quantity_types: list[dict[str, Any]]) -> int:
    # Existing types are skipped first: even a conflicting insert would use up an id, and ids are on the wire.
    known = await quantity_type_ids_by_key(connection)
    added = 0
    for quantity_type in quantity_types:
        key = (quantity_type["physicalQuantity"], quantity_type["physicalUnit"])
        if key in known:
            continue
        await connection.execute(
            insert(QuantityTypeRow)
            .values(
                physical_quantity=key[0],
                physical_unit=key[1],
                physical_unit_symbol=quantity_type["physicalUnitSymbol"],
            )
            .on_conflict_do_nothing()
        )
        added += 1
    return added


async def _write_definition(
    connection: AsyncConnection, definition: dict[str, Any], quantity_type_ids: dict[tuple[str, str], int]
) -> None:
    columns = {
        "name": definition["name"],
        "description": definition["description"],
        "brand": definition["brand"],
        "model": definition["model"],
        "symbol_location": definition["symbolLocation"],
        "symbol": definition["symbol"],
        "configuration_schema": definition["configurationSchema"],
        "command_schema": definition["commandSchema"],
    }
    statement = insert(PeripheralDefinitionRow).values(columns)
    definition_id = await connection.scalar(
        statement.on_conflict_do_update(
            index_elements=["name"],
            set_={column: statement.excluded[column] for column in columns if column != "name"},
        ).returning(PeripheralDefinitionRow.id)
    )
    for expected in definition["expectedQuantityTypes"]:
        await connection.execute(
            insert(ExpectedQuantityTypeRow)
            .values(
                peripheral_definition_id=definition_id,
                quantity_type_id=quantity_type_ids[expected["physicalQuantity"], expected["physicalUnit"]],
            )
            .on_conflict_do_nothing()
        )
