"""Download links of archives are good for one download.

Revision ID: 20261122_used_archive_tokens
Revises: 20261122_alerts
Create Date: 2026-11-22 22:30:00
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261122_used_archive_tokens"
down_revision = "20261122_alerts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.create_table(
        "used_archive_tokens",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="used_archive_tokens_pkey"),
    )


def downgrade() -> None:
    """Undo the change: links of the last 90 seconds could be used again, so wait that long."""
    op.drop_table("used_archive_tokens")
