"""Gateways, boards, and readings of boards that nobody has named yet.

Revision ID: 20261122_gateway_boards
Revises: 20261122_second_tokens
Create Date: 2026-11-22 16:00:00
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261122_gateway_boards"
down_revision = "20261122_second_tokens"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.create_table(
        "gateways",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("last_contact_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("dropped_readings", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="gateways_pkey"),
        sa.UniqueConstraint("name", name="gateways_name_key"),
        sa.UniqueConstraint("token_hash", name="gateways_token_hash_key"),
    )
    op.create_table(
        "boards",
        sa.Column("kit_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sensor_id", sa.Integer(), nullable=False),
        sa.Column("gateway_id", sa.Integer(), nullable=True),
        sa.Column("silent_after_seconds", sa.Integer(), server_default=sa.text("900"), nullable=False),
        sa.Column("last_contact_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_address", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(
            ["kit_id"], ["kits.id"], name="boards_kit_id_fkey", onupdate="CASCADE", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["gateway_id"], ["gateways.id"], name="boards_gateway_id_fkey", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("kit_id", name="boards_pkey"),
        sa.UniqueConstraint("sensor_id", name="boards_sensor_id_key"),
    )
    op.create_index("boards_gateway_id_idx", "boards", ["gateway_id"], unique=False)
    op.create_table(
        "waiting_boards",
        sa.Column("gateway_id", sa.Integer(), nullable=False),
        sa.Column("sensor_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("first_contact_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_contact_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_address", sa.String(length=64), nullable=True),
        sa.Column("kept", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("dropped", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(
            ["gateway_id"], ["gateways.id"], name="waiting_boards_gateway_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("gateway_id", "sensor_id", name="waiting_boards_pkey"),
    )
    op.create_table(
        "waiting_board_readings",
        sa.Column("gateway_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sensor_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("temperature", sa.Double(), nullable=True),
        sa.Column("humidity", sa.Double(), nullable=True),
        sa.Column("light", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["gateway_id", "sensor_id"],
            ["waiting_boards.gateway_id", "waiting_boards.sensor_id"],
            name="waiting_board_readings_board_fkey",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "gateway_id", "sensor_id", "received_at", "id", name="waiting_board_readings_pkey"
        ),
    )


def downgrade() -> None:
    """Undo the change: boards stay as kits, but nothing reaches them, and readings kept for others are lost."""
    op.drop_table("waiting_board_readings")
    op.drop_table("waiting_boards")
    op.drop_table("boards")
    op.drop_table("gateways")
