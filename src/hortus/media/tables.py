"""Pictures and files of kits. The content is in the object store, under `{serial}/{id}`."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import JSON, BigInteger, CheckConstraint, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from hortus.database.base import Base, CreatedAt, Timestamp


class MediaRow(Base):
    """One medium. Deleting a kit first moves its media to the deletion queue."""

    __tablename__ = "media"
    __table_args__ = (CheckConstraint("size >= 0", name="size"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    peripheral_id: Mapped[int] = mapped_column(
        ForeignKey("peripherals.id", onupdate="CASCADE", ondelete="RESTRICT"), index=True
    )
    kit_id: Mapped[int] = mapped_column(
        ForeignKey("kits.id", onupdate="CASCADE", ondelete="RESTRICT"), index=True
    )
    kit_configuration_id: Mapped[int] = mapped_column(
        ForeignKey("kit_configurations.id", onupdate="CASCADE", ondelete="RESTRICT"), index=True
    )
    datetime: Mapped[Timestamp] = mapped_column(index=True)
    received_at: Mapped[CreatedAt]
    name: Mapped[str] = mapped_column(String(255))
    type: Mapped[str] = mapped_column(String(255))
    # The medium's own metadata; the attribute cannot be called `metadata` on a declarative class.
    media_metadata: Mapped[Any] = mapped_column("metadata", JSON, nullable=False)
    size: Mapped[int] = mapped_column(BigInteger)


class MediaPendingDeletionRow(Base):
    """A medium whose row is gone and whose object is still to be deleted from the store."""

    __tablename__ = "queue_media_pending_deletion"
    __table_args__ = (CheckConstraint("media_size >= 0", name="size"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    created_at: Mapped[CreatedAt]
    media_id: Mapped[UUID] = mapped_column(unique=True)
    # The object's key needs the serial, which is gone with the kit's row.
    kit_serial: Mapped[str] = mapped_column(String(20))
    media_datetime: Mapped[Timestamp]
    media_size: Mapped[int] = mapped_column(BigInteger)
