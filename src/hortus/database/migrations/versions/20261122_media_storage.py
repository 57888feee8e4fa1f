"""Where media lie, and what waits to be stored or deleted.

Revision ID: 20261122_media_storage
Revises: 20261122_kit_commands
Create Date: 2026-11-22 20:00:00
"""

from __future__ import annotations

from alembic import op

revision = "20261122_media_storage"
down_revision = "20261122_kit_commands"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.execute("SET LOCAL lock_timeout = '10s'")


def downgrade() -> None:
    """Undo the change."""
