"""Alerts can be snoozed: until a time, or until a person ends it.

Revision ID: 20261130_snoozed_alerts
Revises: 20261130_administration
Create Date: 2026-11-30 09:55:00
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261130_snoozed_alerts"
down_revision = "20261130_administration"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change. Nullable columns rewrite no rows."""
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.add_column("alerts", sa.Column("snoozed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("alerts", sa.Column("snoozed_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("alerts", sa.Column("snoozed_by_id", sa.Integer(), nullable=True))
    op.create_check_constraint(
        op.f("alerts_snoozed_check"), "alerts", "snoozed_at IS NOT NULL OR snoozed_until IS NULL"
    )
    op.create_foreign_key(
        op.f("alerts_snoozed_by_id_fkey"),
        "alerts",
        "users",
        ["snoozed_by_id"],
        ["id"],
        onupdate="CASCADE",
        ondelete="SET NULL",
    )
    op.create_index(op.f("alerts_snoozed_by_id_idx"), "alerts", ["snoozed_by_id"], unique=False)
    op.create_index(
        "alerts_open_idx", "alerts", ["id"], unique=False, postgresql_where=sa.text("over_at IS NULL")
    )


def downgrade() -> None:
    """Undo the change."""
    op.drop_index("alerts_open_idx", table_name="alerts")
    op.drop_index(op.f("alerts_snoozed_by_id_idx"), table_name="alerts")
    op.drop_column("alerts", "snoozed_by_id")
    op.drop_column("alerts", "snoozed_until")
    op.drop_column("alerts", "snoozed_at")
