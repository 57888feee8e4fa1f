"""Quantity types and kinds of peripherals that administrators define. The caller commits.

Built-in ones cannot be changed: an upgrade would bring them back as they were.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.errors import UsageError
from hortus.domain.definitions.display import QuantityDisplay
from hortus.domain.definitions.store import built_in_definitions
from hortus.domain.definitions.tables import (
    ExpectedQuantityTypeRow,
    PeripheralDefinitionRow,
    QuantityTypeRow,
)

MOST_DECIMALS = 6
MOST_OWN = 400
"""Clients read all definitions of a kind at once, on a page of 500."""


class DefinitionExists(UsageError):
    """There is one of this name already."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is a definition of {name} already. Choose another name.")


class TooManyDefinitions(UsageError):
    """No more definitions fit."""

    def __init__(self) -> None:
        super().__init__(
            f"There are {MOST_OWN} definitions of this kind, which is the limit. Delete unused ones."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnQuantity:
    """A quantity in a unit; values are shown with the symbol and this number of decimals."""

    physical_quantity: str
    physical_unit: str
    symbol: str | None
    decimals: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnDevice:
    """A kind of peripheral: the kit's driver class, and JSON Schemas of its settings and commands."""

    name: str
    description: str | None
    brand: str | None
    model: str | None
    symbol_location: str
    symbol: str
    configuration_schema: Any
    command_schema: Any | None
    quantity_types: Collection[int]


@lru_cache(maxsize=1)
def built_in_quantities() -> frozenset[tuple[str, str]]:
    """Return quantity and unit of all built-in quantity types."""
    return frozenset(
        (each["physicalQuantity"], each["physicalUnit"]) for each in built_in_definitions()["quantityTypes"]
    )


@lru_cache(maxsize=1)
def built_in_devices() -> frozenset[str]:
    """Return the names of all built-in peripheral definitions."""
    return frozenset(each["name"] for each in built_in_definitions()["peripheralDefinitions"])


async def own_displays(connection: AsyncConnection) -> dict[str, QuantityDisplay]:
    """Return how values of quantities that people defined are shown, where they said so."""
    rows = await connection.execute(
        select(QuantityTypeRow.physical_quantity, QuantityTypeRow.decimals)
        .where(QuantityTypeRow.decimals.is_not(None))
        .order_by(QuantityTypeRow.id)
    )
    return {row.physical_quantity: QuantityDisplay(decimals=row.decimals) for row in rows}


async def create_quantity(connection: AsyncConnection, quantity: OwnQuantity) -> int:
    """Add a quantity type; return its id. Raises DefinitionExists or TooManyDefinitions."""
    await _require_room(connection, QuantityTypeRow.id)
    try:
        async with connection.begin_nested():
            created: int | None = await connection.scalar(
                insert(QuantityTypeRow)
                .values(
                    physical_quantity=quantity.physical_quantity,
                    physical_unit=quantity.physical_unit,
                    physical_unit_symbol=quantity.symbol,
                    decimals=quantity.decimals,
                )
                .returning(QuantityTypeRow.id)
            )
    except IntegrityError as error:
        raise DefinitionExists(f"{quantity.physical_quantity} ({quantity.physical_unit})") from error
    assert created is not None
    return created


async def change_quantity(
    connection: AsyncConnection, quantity_type_id: int, *, symbol: str | None, decimals: int | None
) -> None:
    """Change how values are shown. Quantity and unit stay: they are what stored readings mean."""
    await connection.execute(
        update(QuantityTypeRow)
        .where(QuantityTypeRow.id == quantity_type_id)
        .values(physical_unit_symbol=symbol, decimals=decimals)
    )


async def delete_quantity(connection: AsyncConnection, quantity_type_id: int) -> None:
    """Delete a quantity type that nothing uses, which the caller has checked."""
    await connection.execute(delete(QuantityTypeRow).where(QuantityTypeRow.id == quantity_type_id))


async def create_device(connection: AsyncConnection, device: OwnDevice) -> int:
    """Add a kind of peripheral; return its id. Raises DefinitionExists or TooManyDefinitions."""
    await _require_room(connection, PeripheralDefinitionRow.id)
    try:
        async with connection.begin_nested():
            created: int | None = await connection.scalar(
                insert(PeripheralDefinitionRow)
                .values(name=device.name, **_columns(device))
                .returning(PeripheralDefinitionRow.id)
            )
    except IntegrityError as error:
        raise DefinitionExists(device.name) from error
    assert created is not None
    await _expect(connection, created, device.quantity_types)
    return created


async def change_device(connection: AsyncConnection, definition_id: int, device: OwnDevice) -> None:
    """Change all but the name, by which kits and files name a definition."""
    await connection.execute(
        update(PeripheralDefinitionRow)
        .where(PeripheralDefinitionRow.id == definition_id)
        .values(_columns(device))
    )
    await connection.execute(
        delete(ExpectedQuantityTypeRow).where(ExpectedQuantityTypeRow.peripheral_definition_id == definition_id)
    )
    await _expect(connection, definition_id, device.quantity_types)


async def delete_device(connection: AsyncConnection, definition_id: int) -> None:
    """Delete a kind of peripheral that no configuration uses, which the caller has checked."""
    await connection.execute(
        delete(ExpectedQuantityTypeRow).where(ExpectedQuantityTypeRow.peripheral_definition_id == definition_id)
    )
    await connection.execute(delete(PeripheralDefinitionRow).where(PeripheralDefinitionRow.id == definition_id))


def _columns(device: OwnDevice) -> dict[str, Any]:
    return {
        "description": device.description,
        "brand": device.brand,
        "model": device.model,
        "symbol_location": device.symbol_location,
        "symbol": device.symbol,
        "configuration_schema": device.configuration_schema,
        "command_schema": device.command_schema,
    }


async def _expect(connection: AsyncConnection, definition_id: int, quantity_types: Collection[int]) -> None:
    for quantity_type_id in sorted(set(quantity_types)):
        await connection.execute(
            insert(ExpectedQuantityTypeRow).values(
                peripheral_definition_id=definition_id, quantity_type_id=quantity_type_id
            )
        )


async def _require_room(connection: AsyncConnection, identifier: Any) -> None:
    ids = (await connection.scalars(select(identifier).limit(MOST_OWN))).all()
    if len(ids) >= MOST_OWN:
        raise TooManyDefinitions
