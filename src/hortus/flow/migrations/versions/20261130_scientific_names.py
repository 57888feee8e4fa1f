"""Species have scientific names, and say where their ranges come from.

Revision ID: 20261130_scientific_names
Revises: 20261130_snoozed_alerts
Create Date: 2026-11-30 10:25:00
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261130_scientific_names"
down_revision = "20261130_snoozed_alerts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change. Constant defaults rewrite no rows."""
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.add_column("species", sa.Column("scientific_name", sa.String(length=120), nullable=True))
    op.add_column("species", sa.Column("sources", sa.Text(), server_default=sa.text("''"), nullable=False))


def downgrade() -> None:
    """Undo the change."""
    op.drop_column("species", "sources")
    op.drop_column("species", "scientific_name")
