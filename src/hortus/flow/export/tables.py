"""Links to archives that were used."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from hortus.base.database.base import Base, Timestamp


class UsedArchiveTokenRow(Base):
    """A token that was used for a download; it is not accepted again. Forgotten once it is expired anyway."""

    __tablename__ = "used_archive_tokens"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    expires_at: Mapped[Timestamp]
