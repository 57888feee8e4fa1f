"""A deleted configuration is marked and removed later, so that it can be brought back.

Revision ID: 20261129_deleted_configurations
Revises: 20261130_mqtt_accounts
Create Date: 2026-11-29 23:55:00
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261129_deleted_configurations"
down_revision = "20261130_mqtt_accounts"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)
_REMOVE_DELETED = (
    """
    INSERT INTO queue_media_pending_deletion (media_id, kit_serial, media_datetime, media_size)
    SELECT m.id, k.serial, m.datetime, m.size
    FROM media m JOIN kits k ON k.id = m.kit_id JOIN kit_configurations c ON c.id = m.kit_configuration_id
    WHERE c.deleted_at IS NOT NULL
    ON CONFLICT DO NOTHING
    """,
    *(
        f"DELETE FROM {table} WHERE kit_configuration_id IN "  # noqa: S608  (our own tables)
        "(SELECT id FROM kit_configurations WHERE deleted_at IS NOT NULL)"
        for table in ("media", "raw_measurements", "aggregate_measurements")
    ),
    "DELETE FROM kit_configurations WHERE deleted_at IS NOT NULL",
)


def upgrade() -> None:
    """Apply the change. Nulls and a constant default rewrite no rows."""
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.add_column("kit_configurations", sa.Column("deleted_at", _MOMENT, nullable=True))
    op.add_column("kit_configurations", sa.Column("restorable_until", _MOMENT, nullable=True))
    op.add_column(
        "kit_configurations",
        sa.Column("deleted_while_active", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.create_check_constraint(
        op.f("kit_configurations_deleted_is_inactive_check"),
        "kit_configurations",
        "deleted_at IS NULL OR NOT active",
    )
    op.create_check_constraint(
        op.f("kit_configurations_restorable_check"),
        "kit_configurations",
        "(deleted_at IS NULL) = (restorable_until IS NULL)",
    )
    op.create_index(
        "kit_configurations_deleted_idx",
        "kit_configurations",
        ["kit_id"],
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
    )
    op.add_column("peripherals", sa.Column("deleted_at", _MOMENT, nullable=True))


def downgrade() -> None:
    """Undo the change. The media of deleted configurations go first: the earlier version would show them."""
    for statement in _REMOVE_DELETED:
        op.execute(statement)
    op.drop_column("peripherals", "deleted_at")
    op.drop_index("kit_configurations_deleted_idx", table_name="kit_configurations")
    op.drop_constraint(op.f("kit_configurations_restorable_check"), "kit_configurations")
    op.drop_constraint(op.f("kit_configurations_deleted_is_inactive_check"), "kit_configurations")
    for column in ("deleted_while_active", "restorable_until", "deleted_at"):
        op.drop_column("kit_configurations", column)
