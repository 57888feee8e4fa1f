"""Kits and people have time zones: days, schedules and messages follow them.

Revision ID: 20261130_time_zones
Revises: 20261129_page_log_ins
Create Date: 2026-11-30 00:15:00
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261130_time_zones"
down_revision = "20261129_page_log_ins"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change. Nullable columns rewrite no rows."""
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.add_column("kits", sa.Column("time_zone", sa.String(length=64), nullable=True))
    op.add_column("users", sa.Column("time_zone", sa.String(length=64), nullable=True))


def downgrade() -> None:
    """Undo the change."""
    op.drop_column("users", "time_zone")
    op.drop_column("kits", "time_zone")
