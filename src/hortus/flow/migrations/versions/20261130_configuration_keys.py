"""A command may carry the key of the form that sent it, so that a form sends once however often it is posted.

Revision ID: 20261130_configuration_keys
Revises: 20261130_wizard
Create Date: 2026-11-30 10:30:00
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261130_configuration_keys"
down_revision = "20261130_wizard"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.add_column("kit_commands", sa.Column("form_key", sa.String(length=40), nullable=True))
    op.create_index(
        "kit_commands_form_key_idx",
        "kit_commands",
        ["kit_id", "form_key"],
        unique=True,
        postgresql_where=sa.text("form_key IS NOT NULL"),
    )


def downgrade() -> None:
    """Undo the change."""
    op.drop_index("kit_commands_form_key_idx", "kit_commands")
    op.drop_column("kit_commands", "form_key")
