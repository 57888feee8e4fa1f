"""Which definitions kits use."""

from __future__ import annotations

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.errors import UsageError
from hortus.domain.kits.tables import PeripheralRow

# Readings that are not rolled up yet are at most so old, unless jobs have stood still for longer.
_USES_OF_QUANTITY = text(
    """
    SELECT EXISTS (SELECT FROM peripheral_definition_expected_quantity_types WHERE quantity_type_id = :id)
        OR EXISTS (SELECT FROM series WHERE quantity_type_id = :id)
        OR EXISTS (SELECT FROM series_hours WHERE quantity_type_id = :id)
        OR EXISTS (SELECT FROM plant_ranges WHERE quantity_type_id = :id)
        OR EXISTS (SELECT FROM species_ranges WHERE quantity_type_id = :id)
        OR EXISTS (SELECT FROM raw_measurements
                   WHERE quantity_type_id = :id AND datetime > now() - interval '2 days')
        OR EXISTS (SELECT FROM aggregate_measurements
                   WHERE quantity_type_id = :id AND datetime_start > now() - interval '32 days')
    """
)
_KITS_OF_QUANTITIES = text(
    """
    SELECT e.quantity_type_id AS id, count(DISTINCT p.kit_id) AS kits
    FROM peripheral_definition_expected_quantity_types e
    JOIN peripherals p ON p.peripheral_definition_id = e.peripheral_definition_id
    GROUP BY e.quantity_type_id
    """
)


class DefinitionInUse(UsageError):
    """A definition cannot be deleted, or changed like this."""

    def __init__(self) -> None:
        super().__init__("Kits or other definitions use this definition, so it has to stay.")


async def kits_by_device(connection: AsyncConnection) -> dict[int, int]:
    """Return how many kits have a peripheral of each definition, also in deleted configurations."""
    rows = await connection.execute(
        select(PeripheralRow.peripheral_definition_id, func.count(PeripheralRow.kit_id.distinct())).group_by(
            PeripheralRow.peripheral_definition_id
        )
    )
    return {row[0]: row[1] for row in rows}


async def kits_by_quantity(connection: AsyncConnection) -> dict[int, int]:
    """Return how many kits have a peripheral that measures each quantity type."""
    return {row.id: row.kits for row in await connection.execute(_KITS_OF_QUANTITIES)}


async def require_unused_device(connection: AsyncConnection, definition_id: int) -> None:
    """Raise DefinitionInUse if some configuration has a peripheral of this definition."""
    used = select(PeripheralRow.id).where(PeripheralRow.peripheral_definition_id == definition_id).limit(1)
    if await connection.scalar(used) is not None:
        raise DefinitionInUse


async def require_unused_quantity(connection: AsyncConnection, quantity_type_id: int) -> None:
    """Raise DefinitionInUse if a definition, a range or a reading has this quantity type."""
    if await connection.scalar(_USES_OF_QUANTITY, {"id": quantity_type_id}):
        raise DefinitionInUse
