"""The outcomes of all messages, per kit and hour of arrival (P3)."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, String, text
from sqlalchemy.orm import Mapped, mapped_column

from hortus.base.database.base import Base, Timestamp

_COUNT = text("0")


class LedgerRow(Base):
    """Counts of one kit, hour and stream. The database itself rejects counts that do not add up.

    `kit_id` 0 is for messages that belong to no known kit. No foreign key: kit 0 has no row.
    """

    __tablename__ = "ingest_ledger"
    __table_args__ = (
        CheckConstraint("received = stored + duplicate + quarantined + refused", name="adds_up"),
        # Rows are updated with each batch: free space on the page keeps updates in place, off the index.
        {"postgresql_with": {"fillfactor": 50}},
    )

    kit_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    hour: Mapped[Timestamp] = mapped_column(primary_key=True)
    stream: Mapped[str] = mapped_column(String(16), primary_key=True)
    received: Mapped[int] = mapped_column(BigInteger, server_default=_COUNT)
    stored: Mapped[int] = mapped_column(BigInteger, server_default=_COUNT)
    duplicate: Mapped[int] = mapped_column(BigInteger, server_default=_COUNT)
    quarantined: Mapped[int] = mapped_column(BigInteger, server_default=_COUNT)
    refused: Mapped[int] = mapped_column(BigInteger, server_default=_COUNT)


class LedgerReasonRow(Base):
    """Why messages of one kit, hour and stream were quarantined or refused."""

    __tablename__ = "ingest_ledger_reasons"

    kit_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    hour: Mapped[Timestamp] = mapped_column(primary_key=True)
    stream: Mapped[str] = mapped_column(String(16), primary_key=True)
    outcome: Mapped[str] = mapped_column(String(16), primary_key=True)
    reason: Mapped[str] = mapped_column(String(64), primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger, server_default=_COUNT)
