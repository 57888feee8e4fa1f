"""Media of kits: listing them and deleting them. Those of deleted configurations are not among them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.kits.deleted_configurations import not_deleted
from hortus.domain.kits.tables import KitRow
from hortus.domain.media.tables import MediaPendingDeletionRow, MediaRow

_MEDIA = select(MediaRow.__table__).where(text(not_deleted("media.kit_configuration_id", "media.kit_id")))


async def newest_media(
    connection: AsyncConnection,
    kit_id: int,
    *,
    configuration_id: int | None = None,
    peripheral_id: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    before: tuple[datetime, UUID] | None = None,
    most: int,
) -> Sequence[RowMapping]:
    """Return media of a kit, newest first by time and id, starting below `before` (time and id).

    `since` and `until` are inclusive.
    """
    statement = (
        _MEDIA.where(MediaRow.kit_id == kit_id)
        .order_by(MediaRow.datetime.desc(), MediaRow.id.desc())
        .limit(most)
    )
    if configuration_id is not None:
        statement = statement.where(MediaRow.kit_configuration_id == configuration_id)
    if peripheral_id is not None:
        statement = statement.where(MediaRow.peripheral_id == peripheral_id)
    if since is not None:
        statement = statement.where(MediaRow.datetime >= since)
    if until is not None:
        statement = statement.where(MediaRow.datetime <= until)
    if before is not None:
        statement = statement.where(tuple_(MediaRow.datetime, MediaRow.id) < tuple_(*before))
    return (await connection.execute(statement)).mappings().all()


async def find_medium(connection: AsyncConnection, medium_id: UUID) -> RowMapping | None:
    """Return the medium with this id, or None."""
    return (await connection.execute(_MEDIA.where(MediaRow.id == medium_id))).mappings().one_or_none()


async def delete_medium(connection: AsyncConnection, medium_id: UUID) -> None:
    """Delete the medium and queue its object for deletion. The caller commits."""
    content = (
        select(MediaRow.id, KitRow.serial, MediaRow.datetime, MediaRow.size)
        .join(KitRow, KitRow.id == MediaRow.kit_id)
        .where(MediaRow.id == medium_id)
    )
    columns = ["media_id", "kit_serial", "media_datetime", "media_size"]
    await connection.execute(
        insert(MediaPendingDeletionRow).from_select(columns, content).on_conflict_do_nothing()
    )
    await connection.execute(delete(MediaRow).where(MediaRow.id == medium_id))
