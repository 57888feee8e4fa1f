"""Invitations to kits: links for people with and without an account.

Revision ID: 20261130_people_invitations
Revises: 20261130_people_choices
Create Date: 2026-11-30 10:15:00
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261130_people_invitations"
down_revision = "20261130_people_choices"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.create_table(
        "kit_invitations",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kit_id", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("access_super", sa.Boolean(), nullable=False),
        sa.Column("access_configure", sa.Boolean(), nullable=False),
        sa.Column("note", sa.String(length=40), nullable=True),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("uses_left", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["kit_id"], ["kits.id"], name="kit_invitations_kit_id_fkey", onupdate="CASCADE", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["created_by"],
            ["users.id"],
            name="kit_invitations_created_by_fkey",
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="kit_invitations_pkey"),
        sa.UniqueConstraint("token_hash", name="kit_invitations_token_hash_key"),
    )
    for column in ("kit_id", "created_by"):
        op.create_index(f"kit_invitations_{column}_idx", "kit_invitations", [column])


def downgrade() -> None:
    """Undo the change: open invitations are gone."""
    op.drop_table("kit_invitations")
