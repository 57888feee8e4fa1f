"""Species profiles, plants, and what they are linked to.

Revision ID: 20261122_plants
Revises: 20261122_media_storage
Create Date: 2026-11-22 21:00:00
"""

from __future__ import annotations

from alembic import op

revision = "20261122_plants"
down_revision = "20261122_media_storage"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.execute("SET LOCAL lock_timeout = '10s'")


def downgrade() -> None:
    """Undo the change."""
