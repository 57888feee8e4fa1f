"""The table of archive download tokens that have been used."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from hortus.base.database.base import Base, Timestamp


class UsedArchiveTokenRow(Base):
    """A token that was used for a download and is not accepted again. Deleted after the token's expiry."""

    __tablename__ = "used_archive_tokens"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    expires_at: Mapped[Timestamp]
