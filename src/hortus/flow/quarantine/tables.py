"""The table of messages in quarantine, with reasons, so that an operator can fix the cause and replay (P3)."""

from __future__ import annotations

from sqlalchemy import BigInteger, Index, Integer, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from hortus.base.database.base import Base, Timestamp


class QuarantineRow(Base):
    """One message as it arrived. `kit_id` 0 stands for "no kit of ours", as in the ledger.

    `payload_bytes` is its size. If `payload` is shorter, the message was too large and this is its beginning.
    """

    __tablename__ = "quarantine"
    __table_args__ = (Index(None, "kit_id", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    received_at: Mapped[Timestamp]
    kit_id: Mapped[int] = mapped_column(Integer)
    stream: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(String(64))
    detail: Mapped[str] = mapped_column(Text)
    topic: Mapped[str] = mapped_column(Text)
    payload: Mapped[bytes] = mapped_column(LargeBinary)
    payload_bytes: Mapped[int] = mapped_column(Integer)
