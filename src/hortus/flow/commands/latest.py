"""The last command to each of a kit's peripherals."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.flow.commands.command import CommandState

_LOOKED_THROUGH = 500

_LATEST = text(
    """
    SELECT DISTINCT ON (c.peripheral) c.peripheral, c.state, c.command_json, c.requested_at, c.finished_at
    FROM (SELECT * FROM kit_commands WHERE kit_id = :kit_id ORDER BY id DESC LIMIT :looked_through) c
    WHERE c.peripheral IS NOT NULL
    ORDER BY c.peripheral, c.id DESC
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LastCommand:
    """The last command to a peripheral. `content` is its JSON as sent."""

    state: CommandState
    content: str
    requested_at: datetime
    finished_at: datetime | None


async def last_commands(connection: AsyncConnection, kit_id: int) -> dict[str, LastCommand]:
    """Return the last command to each peripheral, by its name, among the kit's latest commands."""
    rows = await connection.execute(_LATEST, {"kit_id": kit_id, "looked_through": _LOOKED_THROUGH})
    return {
        row.peripheral: LastCommand(
            state=CommandState(row.state),
            content=row.command_json or "",
            requested_at=row.requested_at,
            finished_at=row.finished_at,
        )
        for row in rows
    }
