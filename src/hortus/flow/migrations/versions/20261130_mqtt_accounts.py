"""Read-only accounts at the built-in MQTT endpoint.

Revision ID: 20261130_mqtt_accounts
Revises: 20261130_opened_months
Create Date: 2026-11-30 00:15:00
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261130_mqtt_accounts"
down_revision = "20261130_opened_months"
branch_labels = None
depends_on = None


_TRIGGER = (
    """
    CREATE FUNCTION hortus_announce_mqtt_account() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_notify('hortus_registry', 'mqtt-account ' || OLD.name);
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER mqtt_accounts_95_announce AFTER UPDATE OR DELETE ON mqtt_accounts
    FOR EACH ROW EXECUTE FUNCTION hortus_announce_mqtt_account()
    """,
)


def upgrade() -> None:
    """Apply the change."""
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.create_table(
        "mqtt_accounts",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("password_hash", sa.String(length=255), nullable=False),
        sa.Column("read_filters", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("name", name="mqtt_accounts_pkey"),
    )
    for statement in _TRIGGER:
        op.execute(statement)


def downgrade() -> None:
    """Undo the change: these accounts are gone."""
    op.drop_table("mqtt_accounts")
    op.execute("DROP FUNCTION hortus_announce_mqtt_account()")
