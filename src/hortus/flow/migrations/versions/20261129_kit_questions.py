"""What kits asked when they started, and whether two of them share an account.

Revision ID: 20261129_kit_questions
Revises: 20261129_data_logger_module
Create Date: 2026-11-29 21:10:00
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261129_kit_questions"
down_revision = "20261129_data_logger_module"
branch_labels = None
depends_on = None

_COLUMNS = ("asked_configuration_at", "asked_quantity_types_at", "account_shared_at")


def upgrade() -> None:
    """Apply the change."""
    op.execute("SET LOCAL lock_timeout = '10s'")
    for name in _COLUMNS:
        op.add_column("kit_presence", sa.Column(name, sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Undo the change."""
    op.execute("SET LOCAL lock_timeout = '10s'")
    for name in _COLUMNS:
        op.drop_column("kit_presence", name)
