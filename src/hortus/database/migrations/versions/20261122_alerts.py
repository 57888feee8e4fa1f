"""Alerts with their life, and messages that wait to be sent.

Revision ID: 20261122_alerts
Revises: 20261122_plants
Create Date: 2026-11-22 22:00:00
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261122_alerts"
down_revision = "20261122_plants"
branch_labels = None
depends_on = None


_NOW = sa.text("now()")
_TRUE, _FALSE = sa.text("true"), sa.text("false")


def upgrade() -> None:
    """Apply the change."""
    op.execute("SET LOCAL lock_timeout = '10s'")
    _create_ways()
    _create_messages()


def downgrade() -> None:
    """Undo the change: messages that wait are lost."""
    for table in ("messages", "notification_preferences", "notification_channels"):
        op.drop_table(table)


def _create_ways() -> None:
    op.create_table(
        "notification_channels",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("scheme", sa.String(length=40), nullable=False),
        sa.Column("sealed_url", sa.LargeBinary(), nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=_TRUE, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        _user("notification_channels"),
        sa.PrimaryKeyConstraint("id", name="notification_channels_pkey"),
    )
    op.create_index("notification_channels_user_id_idx", "notification_channels", ["user_id"])
    op.create_table(
        "notification_preferences",
        sa.Column("user_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("by_mail", sa.Boolean(), server_default=_TRUE, nullable=False),
        sa.Column("of_shared_kits", sa.Boolean(), server_default=_FALSE, nullable=False),
        sa.Column("when_over", sa.Boolean(), server_default=_FALSE, nullable=False),
        _user("notification_preferences"),
        sa.PrimaryKeyConstraint("user_id", name="notification_preferences_pkey"),
    )


def _create_messages() -> None:
    op.create_table(
        "messages",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("channel_id", sa.Integer(), nullable=True),
        sa.Column("transport", sa.String(length=10), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("recipient", sa.String(length=255), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("sealed_body", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.String(length=10), server_default="waiting", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("lease", sa.Uuid(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("give_up_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(transport = 'service') = (channel_id IS NOT NULL)",
            name=op.f("messages_channel_of_service_check"),
        ),
        sa.ForeignKeyConstraint(
            ["channel_id"],
            ["notification_channels.id"],
            name="messages_channel_id_fkey",
            ondelete="CASCADE",
        ),
        _user("messages"),
        sa.PrimaryKeyConstraint("id", name="messages_pkey"),
    )
    op.create_index("messages_channel_id_idx", "messages", ["channel_id"])
    op.create_index("messages_created_at_idx", "messages", ["created_at"])
    op.create_index(
        "messages_due_idx", "messages", ["next_attempt_at"], postgresql_where=sa.text("state = 'waiting'")
    )
    op.create_index("messages_user_id_idx", "messages", ["user_id"])


def _user(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["user_id"], ["users.id"], name=f"{table}_user_id_fkey", onupdate="CASCADE", ondelete="CASCADE"
    )
