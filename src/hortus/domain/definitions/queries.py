"""Listing definitions page by page."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import select
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.definitions.tables import (
    ExpectedQuantityTypeRow,
    PeripheralDefinitionRow,
    QuantityTypeRow,
)


async def list_quantity_types(
    connection: AsyncConnection, after: int | None, most: int
) -> Sequence[RowMapping]:
    """Return quantity types ordered by id, with ids above `after`."""
    table = QuantityTypeRow.__table__
    statement = select(table).order_by(QuantityTypeRow.id).limit(most)
    if after is not None:
        statement = statement.where(QuantityTypeRow.id > after)
    return (await connection.execute(statement)).mappings().all()


async def quantity_types_by_id(connection: AsyncConnection, ids: Collection[int]) -> dict[int, RowMapping]:
    """Return the quantity types with these ids that exist, by id."""
    statement = select(QuantityTypeRow.__table__).where(QuantityTypeRow.id.in_(ids))
    return {row["id"]: row for row in (await connection.execute(statement)).mappings()}


async def list_definitions(
    connection: AsyncConnection, after: int | None, most: int
) -> tuple[Sequence[RowMapping], dict[int, list[int]]]:
    """Return peripheral definitions ordered by id, and by id the quantity types each is expected to measure."""
    statement = select(PeripheralDefinitionRow.__table__).order_by(PeripheralDefinitionRow.id).limit(most)
    if after is not None:
        statement = statement.where(PeripheralDefinitionRow.id > after)
    rows = (await connection.execute(statement)).mappings().all()
    pairs = await connection.execute(
        select(ExpectedQuantityTypeRow.peripheral_definition_id, ExpectedQuantityTypeRow.quantity_type_id)
        .where(ExpectedQuantityTypeRow.peripheral_definition_id.in_([row["id"] for row in rows]))
        .order_by(ExpectedQuantityTypeRow.quantity_type_id)
    )
    expected: dict[int, list[int]] = {}
    for definition_id, quantity_type_id in pairs:
        expected.setdefault(definition_id, []).append(quantity_type_id)
    return rows, expected
