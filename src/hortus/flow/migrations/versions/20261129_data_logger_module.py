"""The definition of the local data logger names the module that kits have.

Revision ID: 20261129_data_logger_module
Revises: 20261129_own_words
Create Date: 2026-11-29 21:00:00
"""

from __future__ import annotations

from alembic import op

revision = "20261129_data_logger_module"
down_revision = "20261129_own_words"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.execute("SET LOCAL lock_timeout = '10s'")
    _move("peripheral", "astroplant_kit.peripheral")


def downgrade() -> None:
    """Undo the change."""
    op.execute("SET LOCAL lock_timeout = '10s'")
    _move("astroplant_kit.peripheral", "peripheral")


def _move(old: str, new: str) -> None:
    op.execute(
        f"UPDATE peripheral_definitions SET symbol_location = '{new}' "  # noqa: S608 - constants
        f"WHERE symbol_location = '{old}' AND symbol = 'LocalDataLogger'"
    )
