"""Which configuration each kit was given last."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_NOTE = text(
    """
    INSERT INTO kit_fetched_configurations (kit_id, kit_configuration_id, fetched_at)
    SELECT k.id, c.id, clock_timestamp()
    FROM kits k LEFT JOIN kit_configurations c ON c.kit_id = k.id AND c.id = :configuration_id
    WHERE k.serial = :serial
    ON CONFLICT (kit_id) DO UPDATE
    SET kit_configuration_id = excluded.kit_configuration_id, fetched_at = excluded.fetched_at
    """
)


async def note_fetched(connection: AsyncConnection, serial: str, configuration_id: int | None) -> None:
    """Note what a kit was given; None if there was nothing to give. An unknown serial is no error."""
    await connection.execute(_NOTE, {"serial": serial, "configuration_id": configuration_id})
