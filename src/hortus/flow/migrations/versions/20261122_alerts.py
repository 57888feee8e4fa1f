"""Alerts with their life, and messages that wait to be sent.

Revision ID: 20261122_alerts
Revises: 20261122_plants
Create Date: 2026-11-22 22:00:00
"""

from __future__ import annotations

from typing import Any

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
    _create_alerts()
    _create_states()
    _create_ways()
    _create_messages()


def downgrade() -> None:
    """Undo the change: alerts and messages are lost."""
    for table in (
        *("messages", "notification_preferences", "notification_channels"),
        *("plant_alert_settings", "alert_states", "alerts"),
    ):
        op.drop_table(table)


def _create_alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("plant_id", sa.Integer(), nullable=True),
        sa.Column("quantity_type_id", sa.Integer(), nullable=True),
        sa.Column("kit_id", sa.Integer(), nullable=False),
        sa.Column("condition", sa.String(length=10), nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("minimum", sa.Double(), nullable=True),
        sa.Column("maximum", sa.Double(), nullable=True),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("seen_by_id", sa.Integer(), nullable=True),
        sa.Column("over_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ending", sa.String(length=10), nullable=True),
        sa.Column("message_accepted_at", sa.DateTime(timezone=True), nullable=True),
        *_message_state(),
        sa.CheckConstraint(
            "(kind = 'range') = (plant_id IS NOT NULL AND quantity_type_id IS NOT NULL)",
            name=op.f("alerts_subject_check"),
        ),
        sa.CheckConstraint("(over_at IS NULL) = (ending IS NULL)", name=op.f("alerts_ended_check")),
        _plant("alerts"),
        _quantity_type("alerts"),
        sa.ForeignKeyConstraint(
            ["kit_id"], ["kits.id"], name="alerts_kit_id_fkey", onupdate="CASCADE", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["seen_by_id"],
            ["users.id"],
            name="alerts_seen_by_id_fkey",
            onupdate="CASCADE",
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name="alerts_pkey"),
    )
    for name, columns, kind in (
        ("alerts_open_range_key", ["plant_id", "quantity_type_id"], "range"),
        ("alerts_open_silence_key", ["kit_id"], "silence"),
    ):
        op.create_index(
            name,
            "alerts",
            columns,
            unique=True,
            postgresql_where=sa.text(f"over_at IS NULL AND kind = '{kind}'"),
        )
    op.create_index("alerts_plant_id_idx", "alerts", ["plant_id", "id"])
    op.create_index("alerts_kit_id_idx", "alerts", ["kit_id", "id"])
    op.create_index("alerts_seen_by_id_idx", "alerts", ["seen_by_id"])


def _create_states() -> None:
    op.create_table(
        "alert_states",
        sa.Column("plant_id", sa.Integer(), nullable=False),
        sa.Column("quantity_type_id", sa.Integer(), nullable=False),
        sa.Column("peripheral_id", sa.Integer(), nullable=False),
        sa.Column("judged_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("out", sa.String(length=4), nullable=True),
        sa.Column("out_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("open", sa.String(length=4), nullable=True),
        sa.Column("back_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("alert_id", sa.BigInteger(), nullable=True),
        *_message_state(),
        _plant("alert_states"),
        _quantity_type("alert_states"),
        sa.PrimaryKeyConstraint("plant_id", "quantity_type_id", name="alert_states_pkey"),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "plant_alert_settings",
        sa.Column("plant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=_TRUE, nullable=False),
        sa.Column("hysteresis_percent", sa.Double(), server_default=sa.text("5"), nullable=False),
        sa.Column("hold_seconds", sa.Integer(), server_default=sa.text("300"), nullable=False),
        sa.Column("pause_seconds", sa.Integer(), server_default=sa.text("43200"), nullable=False),
        _plant("plant_alert_settings"),
        sa.PrimaryKeyConstraint("plant_id", name="plant_alert_settings_pkey"),
    )


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
        sa.Column("when_silent", sa.Boolean(), server_default=_TRUE, nullable=False),
        _user("notification_preferences"),
        sa.PrimaryKeyConstraint("user_id", name="notification_preferences_pkey"),
    )


def _create_messages() -> None:
    op.create_table(
        "messages",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("channel_id", sa.Integer(), nullable=True),
        sa.Column("alert_id", sa.BigInteger(), nullable=True),
        sa.Column("kit_id", sa.Integer(), nullable=True),
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
        sa.ForeignKeyConstraint(
            ["alert_id"], ["alerts.id"], name="messages_alert_id_fkey", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["kit_id"], ["kits.id"], name="messages_kit_id_fkey", onupdate="CASCADE", ondelete="CASCADE"
        ),
        _user("messages"),
        sa.PrimaryKeyConstraint("id", name="messages_pkey"),
    )
    op.create_index("messages_alert_id_idx", "messages", ["alert_id"])
    op.create_index("messages_channel_id_idx", "messages", ["channel_id"])
    op.create_index("messages_created_at_idx", "messages", ["created_at"])
    op.create_index(
        "messages_due_idx", "messages", ["next_attempt_at"], postgresql_where=sa.text("state = 'waiting'")
    )
    op.create_index("messages_kit_id_idx", "messages", ["kit_id"])
    op.create_index("messages_user_id_idx", "messages", ["user_id"])


def _user(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["user_id"], ["users.id"], name=f"{table}_user_id_fkey", onupdate="CASCADE", ondelete="CASCADE"
    )


def _plant(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["plant_id"], ["plants.id"], name=f"{table}_plant_id_fkey", ondelete="CASCADE"
    )


def _quantity_type(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["quantity_type_id"],
        ["quantity_types.id"],
        name=f"{table}_quantity_type_id_fkey",
        ondelete="CASCADE",
    )


def _message_state() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("message_waiting", sa.Boolean(), server_default=_FALSE, nullable=False),
        sa.Column("quiet_until", sa.DateTime(timezone=True), nullable=True),
    )
