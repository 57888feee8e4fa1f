"""Series, their rollups, and the index that pages of aggregates need.

Every hour that holds readings is noted as touched, so that readings of before are rolled up as well. That
reads the whole key of the readings once: some seconds for ten million.

Revision ID: 20261122_series_rollups
Revises: 20261122_gateway_boards
Create Date: 2026-11-22 18:00:00
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261122_series_rollups"
down_revision = "20261122_gateway_boards"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.create_table(
        "series",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kit_id", sa.Integer(), nullable=False),
        sa.Column("peripheral_name", sa.String(255), nullable=False),
        sa.Column("quantity_type_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["kit_id"], ["kits.id"], name="series_kit_id_fkey", onupdate="CASCADE", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["quantity_type_id"],
            ["quantity_types.id"],
            name="series_quantity_type_id_fkey",
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="series_pkey"),
        sa.UniqueConstraint(
            "kit_id",
            "peripheral_name",
            "quantity_type_id",
            name="series_kit_id_peripheral_name_quantity_type_id_key",
        ),
    )
    _create_rollups("series_hours", "hour", sa.Column("sealed", sa.Boolean(), nullable=False))
    _create_rollups("series_days", "day")
    op.create_table(
        "series_touched_hours",
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kit_id", sa.Integer(), nullable=False),
    )
    op.create_index("series_touched_hours_kit_id_hour_idx", "series_touched_hours", ["kit_id", "hour"])
    op.execute(
        "INSERT INTO series_touched_hours (kit_id, hour) "
        "SELECT DISTINCT kit_id, date_bin('1 hour', datetime, 'epoch') FROM raw_measurements"
    )
    op.create_index(
        "aggregate_measurements_by_series_idx",
        "aggregate_measurements",
        ["kit_id", "peripheral_id", "quantity_type_id", sa.text("datetime_start DESC"), sa.text("id DESC")],
    )


def _create_rollups(table: str, span: str, *further: sa.Column[bool]) -> None:
    key = ["peripheral_id", "quantity_type_id", span, *(column.name for column in further)]
    op.create_table(
        table,
        sa.Column(span, sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_value", sa.Double(), nullable=False),
        sa.Column("last_value", sa.Double(), nullable=False),
        sa.Column("minimum", sa.Double(), nullable=False),
        sa.Column("maximum", sa.Double(), nullable=False),
        sa.Column("sum", sa.Double(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("peripheral_id", sa.Integer(), nullable=False),
        sa.Column("quantity_type_id", sa.Integer(), nullable=False),
        *further,
        sa.ForeignKeyConstraint(
            ["peripheral_id"],
            ["peripherals.id"],
            name=f"{table}_peripheral_id_fkey",
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(*key, name=f"{table}_pkey"),
    )


def downgrade() -> None:
    """Undo the change."""
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.drop_index("aggregate_measurements_by_series_idx", "aggregate_measurements")
    for table in ("series_touched_hours", "series_days", "series_hours", "series"):
        op.drop_table(table)
