"""Where media lie, and what waits to be stored or deleted.

Revision ID: 20261122_media_storage
Revises: 20261122_kit_commands
Create Date: 2026-11-22 20:00:00
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261122_media_storage"
down_revision = "20261122_kit_commands"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.add_column("media", sa.Column("sha256", sa.LargeBinary(length=32), nullable=True))
    op.add_column("media", sa.Column("thumbnail", sa.String(length=16), nullable=True))
    op.add_column("media", sa.Column("thumbnail_note", sa.String(length=255), nullable=True))
    op.create_check_constraint(op.f("media_thumbnail_check"), "media", "thumbnail IN ('made', 'unsuitable')")
    # The wider ones serve what these served.
    op.drop_index("media_kit_id_idx", table_name="media")
    op.drop_index("media_peripheral_id_idx", table_name="media")
    op.create_index("media_kit_id_datetime_id_idx", "media", ["kit_id", "datetime", "id"])
    op.create_index("media_peripheral_id_datetime_id_idx", "media", ["peripheral_id", "datetime", "id"])
    op.create_index(
        "media_without_thumbnail_idx",
        "media",
        ["received_at"],
        postgresql_where=sa.text("thumbnail IS NULL"),
    )
    op.add_column(
        "queue_media_pending_deletion",
        sa.Column("object_deleted_at", sa.DateTime(timezone=True), nullable=True),
    )
    op.create_index(
        "queue_media_pending_deletion_due_idx",
        "queue_media_pending_deletion",
        ["id"],
        postgresql_where=sa.text("object_deleted_at IS NULL"),
    )


def downgrade() -> None:
    """Undo the change."""
    op.drop_index("queue_media_pending_deletion_due_idx", table_name="queue_media_pending_deletion")
    # Those whose objects are gone are no longer pending.
    op.execute("DELETE FROM queue_media_pending_deletion WHERE object_deleted_at IS NOT NULL")
    op.drop_column("queue_media_pending_deletion", "object_deleted_at")
    op.drop_index("media_without_thumbnail_idx", table_name="media")
    op.drop_index("media_peripheral_id_datetime_id_idx", table_name="media")
    op.drop_index("media_kit_id_datetime_id_idx", table_name="media")
    op.create_index("media_peripheral_id_idx", "media", ["peripheral_id"])
    op.create_index("media_kit_id_idx", "media", ["kit_id"])
    op.drop_constraint(op.f("media_thumbnail_check"), "media", type_="check")
    op.drop_column("media", "thumbnail_note")
    op.drop_column("media", "thumbnail")
    op.drop_column("media", "sha256")
