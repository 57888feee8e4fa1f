"""Log-ins to the pages are kept with those to the APIs, so that they can be listed and ended.

Revision ID: 20261129_page_log_ins
Revises: 20261129_kit_questions
Create Date: 2026-11-29 21:05:00
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261129_page_log_ins"
down_revision = "20261129_kit_questions"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change. A constant default rewrites no rows."""
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.add_column(
        "refresh_tokens",
        sa.Column("place", sa.String(length=10), server_default=sa.text("'api'"), nullable=False),
    )


def downgrade() -> None:
    """Undo the change: log-ins to the pages end."""
    op.execute("DELETE FROM refresh_tokens WHERE place = 'pages'")
    op.drop_column("refresh_tokens", "place")
