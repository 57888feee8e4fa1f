"""What kits say about themselves is kept with their presence.

Revision ID: 20261129_own_words
Revises: 20261122_media_retries
Create Date: 2026-11-29 21:00:00
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261129_own_words"
down_revision = "20261122_media_retries"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.add_column("kit_presence", sa.Column("own_word", sa.String(length=200), nullable=True))
    op.add_column("kit_presence", sa.Column("own_word_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Undo the change."""
    op.drop_column("kit_presence", "own_word_at")
    op.drop_column("kit_presence", "own_word")
