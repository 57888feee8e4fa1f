"""What late readings open is recorded, so that one kit with a wrong clock cannot open every month since 2010.

Revision ID: 20261130_opened_months
Revises: 20261130_time_zones
Create Date: 2026-11-30 00:20:00
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261130_opened_months"
down_revision = "20261130_time_zones"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.create_table(
        "opened_months",
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("kit_id", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("month", name=op.f("opened_months_pkey")),
    )


def downgrade() -> None:
    """Undo the change."""
    op.drop_table("opened_months")
