"""Public links of kits: a page of a kit for those who have its address.

Revision ID: 20261130_public_links
Revises: 20261130_scientific_names
Create Date: 2026-11-30 17:00:00
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261130_public_links"
down_revision = "20261130_scientific_names"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.create_table(
        "kit_public_links",
        sa.Column("kit_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["kit_id"],
            ["kits.id"],
            name=op.f("kit_public_links_kit_id_fkey"),
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("kit_id", name=op.f("kit_public_links_pkey")),
        sa.UniqueConstraint("code", name=op.f("kit_public_links_code_key")),
    )


def downgrade() -> None:
    """Undo the change. Links that were given away no longer work."""
    op.drop_table("kit_public_links")
