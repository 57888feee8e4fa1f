"""People choose how pages look: language, unit of temperature, clock, colours and shortcuts.

Revision ID: 20261130_people_choices
Revises: 20261130_configuration_keys
Create Date: 2026-11-30 10:00:00
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261130_people_choices"
down_revision = "20261130_configuration_keys"
branch_labels = None
depends_on = None

_CHOICES = (("temperature_unit", 10, "celsius"), ("clock", 4, "24h"), ("theme", 10, "system"))


def upgrade() -> None:
    """Apply the change. Constant defaults rewrite no rows."""
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.add_column("users", sa.Column("language", sa.String(length=16), nullable=True))
    for name, length, default in _CHOICES:
        column = sa.Column(name, sa.String(length), server_default=sa.text(f"'{default}'"), nullable=False)
        op.add_column("users", column)
    op.add_column("users", sa.Column("shortcuts", sa.Boolean(), server_default=sa.true(), nullable=False))


def downgrade() -> None:
    """Undo the change: the choices are gone."""
    op.drop_column("users", "shortcuts")
    for name, _, _ in reversed(_CHOICES):
        op.drop_column("users", name)
    op.drop_column("users", "language")
