"""What the cameras of a kit can be told."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraCommands:
    """A camera of the running configuration, and what it can be told. The commands are texts."""

    name: str
    commands: tuple[str, ...]


async def commandable_cameras(connection: AsyncConnection, kit_id: int) -> list[CameraCommands]:
    """Return the peripherals of the active configuration that measure nothing and take one of several words.

    That is what cameras have in common: `{"type": "string", "enum": ["regular", "ndvi"]}`.
    """
    rows = await connection.execute(_COMMANDABLE, {"kit_id": kit_id})
    found = []
    for row in rows:
        words = row.command_schema.get("enum") if isinstance(row.command_schema, dict) else None
        if isinstance(words, list) and words and all(isinstance(word, str) for word in words):
            found.append(CameraCommands(name=row.name, commands=tuple(words)))
    return found


_COMMANDABLE = text(
    """
    SELECT p.name, d.command_schema
    FROM peripherals p
    JOIN kit_configurations c ON c.id = p.kit_configuration_id AND c.active
    JOIN peripheral_definitions d ON d.id = p.peripheral_definition_id
    WHERE c.kit_id = :kit_id AND d.command_schema IS NOT NULL
      AND NOT EXISTS (
          SELECT FROM peripheral_definition_expected_quantity_types e WHERE e.peripheral_definition_id = d.id
      )
    ORDER BY p.name
    """
)
