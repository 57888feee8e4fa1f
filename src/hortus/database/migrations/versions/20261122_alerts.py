"""Alerts with their life, and messages that wait to be sent.

Revision ID: 20261122_alerts
Revises: 20261122_plants
Create Date: 2026-11-22 22:00:00
"""

from __future__ import annotations

from alembic import op

revision = "20261122_alerts"
down_revision = "20261122_plants"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.execute("SET LOCAL lock_timeout = '10s'")


def downgrade() -> None:
    """Undo the change."""
