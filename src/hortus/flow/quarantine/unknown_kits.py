"""Devices that send under a serial that no kit has, by what is in quarantine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.kits.identity import is_serial_of_board
from hortus.flow.ingest.messages import serial_and_stream
from hortus.flow.quarantine.tables import QuarantineRow
from hortus.protocol.reasons import Reason

MOST_LOOKED_AT = 5_000
MOST_LISTED = 50
MOST_REPLAYED = 5_000


@dataclass(slots=True, kw_only=True)
class UnknownKit:
    """A serial that no kit has, and the messages from it that wait in quarantine."""

    serial: str
    messages: int
    first_at: datetime
    last_at: datetime


async def list_unknown_kits(connection: AsyncConnection) -> Sequence[UnknownKit]:
    """Return the serials with the most messages first, of the newest 5,000 messages of no kit here."""
    rows = await connection.execute(
        select(QuarantineRow.topic, QuarantineRow.received_at)
        .where(QuarantineRow.kit_id == 0, QuarantineRow.reason == str(Reason.UNKNOWN_KIT))
        .order_by(QuarantineRow.id.desc())
        .limit(MOST_LOOKED_AT)
    )
    found: dict[str, UnknownKit] = {}
    for topic, received_at in rows:
        serial, _ = serial_and_stream(topic)
        if not serial or is_serial_of_board(serial):
            continue
        known = found.setdefault(
            serial, UnknownKit(serial=serial, messages=0, first_at=received_at, last_at=received_at)
        )
        known.messages += 1
        known.first_at = min(known.first_at, received_at)
        known.last_at = max(known.last_at, received_at)
    return sorted(found.values(), key=lambda each: (-each.messages, each.serial))[:MOST_LISTED]


async def messages_of_unknown_kit(connection: AsyncConnection, serial: str) -> list[int]:
    """Return the ids of the first messages in quarantine that came under this serial, in order of arrival."""
    ids = await connection.scalars(
        select(QuarantineRow.id)
        .where(
            QuarantineRow.kit_id == 0,
            QuarantineRow.reason == str(Reason.UNKNOWN_KIT),
            QuarantineRow.topic.startswith(f"kit/{serial}/", autoescape=True),
        )
        .order_by(QuarantineRow.id)
        .limit(MOST_REPLAYED)
    )
    return list(ids)
