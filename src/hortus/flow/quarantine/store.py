"""Lists, shows and purges messages in quarantine."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.errors import UsageError
from hortus.domain.kits.tables import KitRow
from hortus.flow.quarantine.tables import QuarantineRow
from hortus.protocol.reasons import Reason


class QuarantinedMessageNotFound(UsageError):
    """No message in quarantine has this number."""

    def __init__(self, identifier: int) -> None:
        super().__init__(
            f"There is no message {identifier} in quarantine. `hortus quarantine list` shows what is there."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantinedMessage:
    """A message as it arrived, and why it was not stored. `payload` is empty in lists.

    For a message that was too large, `payload` is only its beginning; `payload_bytes` is the full size.
    """

    id: int
    received_at: datetime
    serial: str | None
    stream: str
    reason: str
    detail: str
    topic: str
    payload_bytes: int
    payload: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineFilter:
    """A selection of messages; a field that is None does not restrict."""

    ids: tuple[int, ...] | None = None
    before_id: int | None = None
    kit_id: int | None = None
    reason: str | None = None
    streams: tuple[str, ...] | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the filter as conditions on the table."""
        conditions: list[ColumnElement[bool]] = []
        if self.ids is not None:
            conditions.append(QuarantineRow.id.in_(self.ids))
        if self.before_id is not None:
            conditions.append(QuarantineRow.id < self.before_id)
        if self.kit_id is not None:
            conditions.append(QuarantineRow.kit_id == self.kit_id)
        if self.reason is not None:
            conditions.append(QuarantineRow.reason == self.reason)
        if self.streams is not None:
            conditions.append(QuarantineRow.stream.in_(self.streams))
        return conditions


_COLUMNS = (
    QuarantineRow.id,
    QuarantineRow.received_at,
    KitRow.serial,
    QuarantineRow.stream,
    QuarantineRow.reason,
    QuarantineRow.detail,
    QuarantineRow.topic,
    QuarantineRow.payload_bytes,
)


async def list_quarantine(
    connection: AsyncConnection, wanted: QuarantineFilter, *, limit: int
) -> list[QuarantinedMessage]:
    """Return the newest messages in quarantine, without their payloads."""
    rows = await connection.execute(
        select(*_COLUMNS)
        .outerjoin(KitRow, KitRow.id == QuarantineRow.kit_id)
        .where(*wanted.conditions())
        .order_by(QuarantineRow.id.desc())
        .limit(limit)
    )
    return [QuarantinedMessage(**row) for row in rows.mappings()]


async def quarantine_ids(
    connection: AsyncConnection, wanted: QuarantineFilter, *, most: int | None = None
) -> list[int]:
    """Return the ids of the selected messages in order of arrival, the first `most` or all."""
    ids = await connection.scalars(
        select(QuarantineRow.id).where(*wanted.conditions()).order_by(QuarantineRow.id).limit(most)
    )
    return list(ids)


async def count_quarantine(connection: AsyncConnection, wanted: QuarantineFilter) -> int:
    """Return the number of selected messages."""
    statement = select(func.count()).select_from(QuarantineRow).where(*wanted.conditions())
    return await connection.scalar(statement) or 0


async def quarantined_by_reason(connection: AsyncConnection, kit_id: int) -> dict[str, int]:
    """Return how many messages of a kit are in quarantine for each reason, the most frequent first."""
    rows = await connection.execute(
        select(QuarantineRow.reason, func.count().label("messages"))
        .where(QuarantineRow.kit_id == kit_id)
        .group_by(QuarantineRow.reason)
        .order_by(func.count().desc(), QuarantineRow.reason)
    )
    return {row.reason: row.messages for row in rows}


def waiting_for_deleted(kit_id: int) -> QuarantineFilter:
    """Return the filter for a kit's messages that wait until a deleted configuration is brought back."""
    return QuarantineFilter(kit_id=kit_id, reason=str(Reason.DELETED_CONFIGURATION))


async def show_quarantined(
    connection: AsyncConnection, identifier: int, kit_id: int | None = None
) -> QuarantinedMessage:
    """Return one message with its payload. Raises QuarantinedMessageNotFound, also if another kit sent it."""
    wanted = QuarantineFilter(ids=(identifier,), kit_id=kit_id)
    row = (
        await connection.execute(
            select(*_COLUMNS, QuarantineRow.payload)
            .outerjoin(KitRow, KitRow.id == QuarantineRow.kit_id)
            .where(*wanted.conditions())
        )
    ).one_or_none()
    if row is None:
        raise QuarantinedMessageNotFound(identifier)
    return QuarantinedMessage(**row._mapping)  # noqa: SLF001  (SQLAlchemy's public way to name columns)


async def purge_quarantine(connection: AsyncConnection, wanted: QuarantineFilter) -> int:
    """Delete these messages for good and return how many. The ledger still counts them as quarantined."""
    result = await connection.execute(delete(QuarantineRow).where(*wanted.conditions()))
    return result.rowcount
