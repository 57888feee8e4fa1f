"""The virtual kits that were made on a page: which there are, and the passwords of those that run them."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.kits.tables import KitRow, VirtualKitRow


async def password_hashes_of_virtual_kits(connection: AsyncConnection) -> Mapping[str, str]:
    """Return the hash of each virtual kit's password, by serial."""
    found = await connection.execute(
        select(KitRow.serial, KitRow.password_hash)
        .join(VirtualKitRow, VirtualKitRow.kit_id == KitRow.id)
        .order_by(KitRow.id)
    )
    return {row.serial: row.password_hash for row in found}


async def is_virtual(connection: AsyncConnection, kit_id: int) -> bool:
    """Return whether a kit is a virtual one."""
    return bool(await connection.scalar(select(exists().where(VirtualKitRow.kit_id == kit_id))))
