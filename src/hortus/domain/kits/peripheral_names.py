"""The names of a kit's peripherals, in all its configurations."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.kits.tables import PeripheralRow


async def peripheral_names(connection: AsyncConnection, kit_id: int) -> dict[int, str]:
    """Return the names by id, without those of deleted peripherals."""
    rows = await connection.execute(
        select(PeripheralRow.id, PeripheralRow.name).where(
            PeripheralRow.kit_id == kit_id, PeripheralRow.deleted_at.is_(None)
        )
    )
    return {row.id: row.name for row in rows}
