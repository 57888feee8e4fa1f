"""Objects that the store refuses are tried again later, and hold up no others.

Revision ID: 20261122_media_retries
Revises: 20261122_used_archive_tokens
Create Date: 2026-11-22 23:00:00
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261122_media_retries"
down_revision = "20261122_used_archive_tokens"
branch_labels = None
depends_on = None

_QUEUE = "queue_media_pending_deletion"
_DUE = "queue_media_pending_deletion_due_idx"
_UNTRIED = "media_without_thumbnail_idx"
_RETRIES = "media_thumbnail_retry_idx"


def upgrade() -> None:
    """Apply the change."""
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.add_column(_QUEUE, sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column(
        _QUEUE,
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
    )
    op.add_column(_QUEUE, sa.Column("failure", sa.String(length=255), nullable=True))
    op.drop_index(_DUE, table_name=_QUEUE)
    op.create_index(
        _DUE, _QUEUE, ["next_attempt_at", "id"], postgresql_where=sa.text("object_deleted_at IS NULL")
    )
    op.add_column(
        "media", sa.Column("thumbnail_attempts", sa.Integer(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column("media", sa.Column("thumbnail_retry_at", sa.DateTime(timezone=True), nullable=True))
    op.drop_index(_UNTRIED, table_name="media")
    op.create_index(
        _UNTRIED,
        "media",
        ["received_at"],
        postgresql_where=sa.text("thumbnail IS NULL AND thumbnail_retry_at IS NULL"),
    )
    op.create_index(
        _RETRIES,
        "media",
        ["thumbnail_retry_at"],
        postgresql_where=sa.text("thumbnail IS NULL AND thumbnail_retry_at IS NOT NULL"),
    )


def downgrade() -> None:
    """Undo the change."""
    op.drop_index(_RETRIES, table_name="media")
    op.drop_index(_UNTRIED, table_name="media")
    op.create_index(_UNTRIED, "media", ["received_at"], postgresql_where=sa.text("thumbnail IS NULL"))
    op.drop_column("media", "thumbnail_retry_at")
    op.drop_column("media", "thumbnail_attempts")
    op.drop_index(_DUE, table_name=_QUEUE)
    op.create_index(_DUE, _QUEUE, ["id"], postgresql_where=sa.text("object_deleted_at IS NULL"))
    op.drop_column(_QUEUE, "failure")
    op.drop_column(_QUEUE, "next_attempt_at")
    op.drop_column(_QUEUE, "attempts")
