"""The table of account changes that have not been applied to the broker yet."""

from __future__ import annotations

from enum import Enum

from sqlalchemy import CheckConstraint, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from hortus.base.database.base import Base, CreatedAt


class AccountAction(Enum):
    """The change of an account. A new kit and a new password are the same to the broker: set this password."""

    SET = "set"
    DELETE = "delete"


class BrokerAccountChangeRow(Base):
    """One change, written in the same transaction as the change of the kit and deleted when applied.

    `serial` is not a foreign key: the change outlives a deleted kit. `failure` is a sentence that says why a
    change could not be applied and never will be; such a row is kept for inspection.
    """

    __tablename__ = "broker_account_changes"
    __table_args__ = (
        CheckConstraint("action IN ('set', 'delete')", name="action"),
        CheckConstraint("(action = 'set') = (encrypted_password IS NOT NULL)", name="password_when_set"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    serial: Mapped[str] = mapped_column(String(20), index=True)
    action: Mapped[str] = mapped_column(String(10))
    encrypted_password: Mapped[bytes | None] = mapped_column(LargeBinary)
    failure: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[CreatedAt]
