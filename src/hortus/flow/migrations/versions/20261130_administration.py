"""A log of what administrators do, and decimals of quantities that people define.

Revision ID: 20261130_administration
Revises: 20261130_people_invitations
Create Date: 2026-11-30 10:00:00
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261130_administration"
down_revision = "20261130_people_invitations"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change. The nullable column rewrites no rows."""
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.create_table(
        "administration_log",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("person", sa.String(length=40), nullable=False),
        sa.Column("deed", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("administration_log_pkey")),
    )
    op.add_column("quantity_types", sa.Column("decimals", sa.SmallInteger(), nullable=True))


def downgrade() -> None:
    """Undo the change."""
    op.drop_column("quantity_types", "decimals")
    op.drop_table("administration_log")
