"""Media of kits. Their content is in the object store, under `{serial}/{id}`."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import JSON, BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from hortus.base.database.base import Base, CreatedAt, Timestamp

MOST_NOTE_CHARACTERS = 255


class MediaRow(Base):
    """One medium. Deleting a kit first moves its media to the deletion queue.

    `thumbnail` is None until it is decided, then `made` or `unsuitable`; `thumbnail_note` says why there is
    none. `thumbnail_attempts` counts refusals by the store; the next attempt is at `thumbnail_retry_at`.
    `sha256` is that of the content.
    """

    __tablename__ = "media"
    __table_args__ = (
        CheckConstraint("size >= 0", name="size"),
        CheckConstraint("thumbnail IN ('made', 'unsuitable')", name="thumbnail"),
        # A kit's newest media, and those of a time range.
        Index(None, "kit_id", "datetime", "id"),
        Index(None, "peripheral_id", "datetime", "id"),
        Index(
            "media_without_thumbnail_idx",
            "received_at",
            postgresql_where=text("thumbnail IS NULL AND thumbnail_retry_at IS NULL"),
        ),
        Index(
            "media_thumbnail_retry_idx",
            "thumbnail_retry_at",
            postgresql_where=text("thumbnail IS NULL AND thumbnail_retry_at IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    peripheral_id: Mapped[int] = mapped_column(
        ForeignKey("peripherals.id", onupdate="CASCADE", ondelete="RESTRICT")
    )
    kit_id: Mapped[int] = mapped_column(ForeignKey("kits.id", onupdate="CASCADE", ondelete="RESTRICT"))
    kit_configuration_id: Mapped[int] = mapped_column(
        ForeignKey("kit_configurations.id", onupdate="CASCADE", ondelete="RESTRICT"), index=True
    )
    datetime: Mapped[Timestamp] = mapped_column(index=True)
    received_at: Mapped[CreatedAt]
    name: Mapped[str] = mapped_column(String(255))
    type: Mapped[str] = mapped_column(String(255))
    # The medium's own metadata; `metadata` is a reserved attribute of declarative classes.
    media_metadata: Mapped[Any] = mapped_column("metadata", JSON, nullable=False)
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    thumbnail: Mapped[str | None] = mapped_column(String(16))
    thumbnail_note: Mapped[str | None] = mapped_column(String(MOST_NOTE_CHARACTERS))
    thumbnail_attempts: Mapped[int] = mapped_column(server_default=text("0"))
    thumbnail_retry_at: Mapped[Timestamp | None]


class MediaPendingDeletionRow(Base):
    """A medium whose row was deleted, and whose object will be or was deleted from the store.

    The row is kept for a while after `object_deleted_at`, so that a late redelivery of a deleted medium is
    recognised and does not restore it (P2). An object that the store refused to delete is retried at
    `next_attempt_at`; `attempts` counts the refusals and `failure` is the reason of the last one.
    """

    __tablename__ = "queue_media_pending_deletion"
    __table_args__ = (
        CheckConstraint("media_size >= 0", name="size"),
        Index(
            "queue_media_pending_deletion_due_idx",
            "next_attempt_at",
            "id",
            postgresql_where=text("object_deleted_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    created_at: Mapped[CreatedAt]
    media_id: Mapped[UUID] = mapped_column(unique=True)
    # The object's key contains the serial, which is lost when the kit's row is deleted.
    kit_serial: Mapped[str] = mapped_column(String(20))
    media_datetime: Mapped[Timestamp]
    media_size: Mapped[int] = mapped_column(BigInteger)
    object_deleted_at: Mapped[Timestamp | None]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    next_attempt_at: Mapped[CreatedAt]
    failure: Mapped[str | None] = mapped_column(String(MOST_NOTE_CHARACTERS))
