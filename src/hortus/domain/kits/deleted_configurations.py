"""Configurations that were deleted and can be brought back for a while.

Deleting marks a configuration and its peripherals; readings, rollups and media are not touched. So deleting and
bringing back take as long as for an empty configuration. What reads readings or media of a whole kit leaves out
those of deleted configurations by `not_deleted`. After 30 days a job removes everything
(hortus.domain.kits.removal).

Functions that make changes work in the caller's transaction, with the kit locked
(hortus.http.access.kit_access.lock_kit).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, text, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.errors import UsageError
from hortus.domain.kits.configurations import (
    MOST_BYTES,
    MOST_CONFIGURATIONS,
    find_configuration,
    require_bytes,
    require_room,
)
from hortus.domain.kits.tables import KitConfigurationRow, PeripheralRow

RESTORABLE_DAYS = 30

MOST_DELETED = MOST_CONFIGURATIONS
MOST_DELETED_BYTES = MOST_BYTES
"""For the text in all deleted configurations of a kit together: no runaway script can fill the disk."""


class NotRestorable(UsageError):
    """The kit has no deleted configuration of this id, or it is too late to bring it back."""

    def __init__(self, configuration_id: int) -> None:
        super().__init__(
            f"This kit has no deleted configuration {configuration_id} that can be brought back. "
            f"That is possible for {RESTORABLE_DAYS} days."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletedConfiguration:
    """A deleted configuration. `was_active`: it was the kit's active one when it was deleted."""

    id: int
    description: str | None
    deleted_at: datetime
    restorable_until: datetime
    was_active: bool
    never_used: bool
    peripherals: Sequence[str]


def not_deleted(configuration_id: str, kit_id: str) -> str:
    """Return the SQL condition that this configuration of this kit is not deleted.

    If `kit_id` is a parameter, PostgreSQL looks up the kit's deleted configurations once per statement.
    """
    return (
        f"{configuration_id} <> ALL (ARRAY(SELECT d.id FROM kit_configurations d "  # noqa: S608  (our own names)
        f"WHERE d.kit_id = {kit_id} AND d.deleted_at IS NOT NULL))"
    )


async def delete_configuration(connection: AsyncConnection, configuration: RowMapping) -> None:
    """Delete the configuration with its peripherals and all that they sent, so that it can be brought back."""
    await _mark_peripherals(connection, configuration["id"], deleted_at=func.now())
    await connection.execute(
        update(KitConfigurationRow)
        .where(KitConfigurationRow.id == configuration["id"])
        .values(
            deleted_at=func.now(),
            restorable_until=func.now() + text(f"interval '{RESTORABLE_DAYS} days'"),
            deleted_while_active=KitConfigurationRow.active,
            active=False,
        )
    )
    limits = {"most": MOST_DELETED, "most_bytes": MOST_DELETED_BYTES}
    await connection.execute(_DISPLACE, {"kit_id": configuration["kit_id"], **limits})


async def deleted_configurations(connection: AsyncConnection, kit_id: int) -> list[DeletedConfiguration]:
    """Return the kit's configurations that can be brought back, the last deleted first."""
    rows = await connection.execute(_LIST, {"kit_id": kit_id})
    return [DeletedConfiguration(**row) for row in rows.mappings()]


async def restore_configuration(connection: AsyncConnection, kit_id: int, configuration_id: int) -> RowMapping:
    """Bring back a deleted configuration of this kit, and return its row. Raises NotRestorable or NoRoom.

    It becomes active again if it was, unless another one is by now.
    """
    present = select(KitConfigurationRow.id).where(
        KitConfigurationRow.kit_id == kit_id, KitConfigurationRow.deleted_at.is_(None)
    )
    await require_room(connection, present, "configurations", MOST_CONFIGURATIONS)
    parameters = {"kit_id": kit_id, "id": configuration_id}
    if await connection.scalar(_RESTORE, parameters) is None:
        raise NotRestorable(configuration_id)
    await _mark_peripherals(connection, configuration_id, deleted_at=None)
    await require_bytes(connection, kit_id)
    row = await find_configuration(connection, configuration_id)
    assert row is not None, "it was just brought back"
    return row


async def peripherals_of_configuration(
    connection: AsyncConnection, configuration_id: int
) -> Sequence[RowMapping]:
    """Return the peripherals of a configuration in order of creation."""
    statement = (
        select(PeripheralRow.__table__)
        .where(PeripheralRow.kit_configuration_id == configuration_id)
        .order_by(PeripheralRow.id)
    )
    rows: Sequence[Any] = (await connection.execute(statement)).mappings().all()
    return rows


async def _mark_peripherals(connection: AsyncConnection, configuration_id: int, *, deleted_at: Any) -> None:
    own = PeripheralRow.kit_configuration_id == configuration_id
    # Readings have no foreign keys: this waits for batches that hold a lock on a peripheral, and later batches
    # find the mark. In the order in which batches lock them.
    await connection.execute(select(PeripheralRow.id).where(own).order_by(PeripheralRow.id).with_for_update())
    await connection.execute(update(PeripheralRow).where(own).values(deleted_at=deleted_at))


# Beyond the limits, the oldest can no longer be brought back; first those that no kit ever ran.
_DISPLACE = text(
    """
    WITH sized AS (
        SELECT c.id, c.never_used, c.deleted_at,
               coalesce(octet_length(c.description), 0) + octet_length(c.control_rules::text)
               + coalesce((SELECT sum(octet_length(p.configuration::text)) FROM peripherals p
                           WHERE p.kit_configuration_id = c.id), 0) AS bytes
        FROM kit_configurations c
        WHERE c.kit_id = :kit_id AND c.deleted_at IS NOT NULL AND c.restorable_until > now()
    ), ranked AS (
        SELECT id, row_number() OVER kept AS place, sum(bytes) OVER kept AS bytes
        FROM sized WINDOW kept AS (ORDER BY never_used, deleted_at DESC, id DESC)
    )
    UPDATE kit_configurations c SET restorable_until = now()
    FROM ranked r WHERE r.id = c.id AND (r.place > :most OR r.bytes > :most_bytes)
    """
)

_LIST = text(
    """
    SELECT c.id, c.description, c.deleted_at, c.restorable_until, c.deleted_while_active AS was_active,
           c.never_used, ARRAY(SELECT p.name FROM peripherals p
                               WHERE p.kit_configuration_id = c.id ORDER BY p.id) AS peripherals
    FROM kit_configurations c
    WHERE c.kit_id = :kit_id AND c.deleted_at IS NOT NULL AND c.restorable_until > clock_timestamp()
    ORDER BY c.deleted_at DESC, c.id DESC
    """
)

_RESTORE = text(
    """
    UPDATE kit_configurations c
    SET deleted_at = NULL, restorable_until = NULL, deleted_while_active = false,
        active = c.deleted_while_active AND NOT EXISTS (
            SELECT FROM kit_configurations a WHERE a.kit_id = c.kit_id AND a.active)
    WHERE c.id = :id AND c.kit_id = :kit_id AND c.deleted_at IS NOT NULL
      AND c.restorable_until > clock_timestamp()
    RETURNING c.id
    """
)
