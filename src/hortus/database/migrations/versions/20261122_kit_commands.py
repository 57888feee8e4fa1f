"""Commands to kits with what came of them, and presence.

Revision ID: 20261122_kit_commands
Revises: 20261122_series_rollups
Create Date: 2026-11-22 19:00:00
"""

from __future__ import annotations

from alembic import op

revision = "20261122_kit_commands"
down_revision = "20261122_series_rollups"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.execute("SET LOCAL lock_timeout = '10s'")


def downgrade() -> None:
    """Undo the change."""
