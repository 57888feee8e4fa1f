"""Values that cannot have been measured: limits, and rollups that leave such values out.

Constant defaults rewrite no rows; the index has none at first, but building it reads all hours once: some
seconds for ten million. Rollups from before are recomputed by the job, not here: as soon as the
built-in limits are loaded, a trigger lists every peripheral in `series_rechecks`.

Revision ID: 20261130_plausible_values
Revises: 20261129_deleted_configurations
Create Date: 2026-11-30 00:10:00
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261130_plausible_values"
down_revision = "20261129_deleted_configurations"
branch_labels = None
depends_on = None

_OF_PLAUSIBLE = ("first_at", "last_at", "first_value", "last_value", "minimum", "maximum")

_RECHECK = """
    CREATE FUNCTION hortus_recheck_rollups() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP <> 'INSERT' THEN
            INSERT INTO series_rechecks (peripheral_id)
            SELECT id FROM peripherals p
            WHERE OLD.peripheral_definition_id IS NULL
               OR OLD.peripheral_definition_id = p.peripheral_definition_id
            ORDER BY id ON CONFLICT DO NOTHING;
        END IF;
        IF TG_OP <> 'DELETE' THEN
            INSERT INTO series_rechecks (peripheral_id)
            SELECT id FROM peripherals p
            WHERE NEW.peripheral_definition_id IS NULL
               OR NEW.peripheral_definition_id = p.peripheral_definition_id
            ORDER BY id ON CONFLICT DO NOTHING;
        END IF;
        RETURN NULL;
    END $$
"""


def upgrade() -> None:
    """Apply the change."""
    op.execute("SET LOCAL lock_timeout = '10s'")
    _create_limits()
    op.create_table(
        "series_rechecks",
        sa.Column("peripheral_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["peripheral_id"],
            ["peripherals.id"],
            name="series_rechecks_peripheral_id_fkey",
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("peripheral_id", name="series_rechecks_pkey"),
    )
    op.execute(_RECHECK)
    op.execute(
        "CREATE TRIGGER plausible_limits_95_recheck AFTER INSERT OR UPDATE OR DELETE ON plausible_limits "
        "FOR EACH ROW EXECUTE FUNCTION hortus_recheck_rollups()"
    )
    for table in ("series_hours", "series_days"):
        for column in _OF_PLAUSIBLE:
            op.alter_column(table, column, nullable=True)
        op.add_column(
            table, sa.Column("implausible", sa.Integer(), server_default=sa.text("0"), nullable=False)
        )
        op.add_column(table, sa.Column("last_implausible_at", sa.DateTime(timezone=True), nullable=True))
        op.add_column(table, sa.Column("last_implausible_value", sa.Double(), nullable=True))
    op.create_index(
        "series_hours_implausible_idx",
        "series_hours",
        ["hour"],
        postgresql_where=sa.text("implausible > 0"),
    )


def _create_limits() -> None:
    op.create_table(
        "plausible_limits",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("quantity_type_id", sa.Integer(), nullable=False),
        sa.Column("peripheral_definition_id", sa.Integer(), nullable=True),
        sa.Column("minimum", sa.Double(), nullable=True),
        sa.Column("maximum", sa.Double(), nullable=True),
        sa.Column("error_values", sa.ARRAY(sa.Double()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("error_meanings", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("lone_error_value", sa.Double(), nullable=True),
        sa.Column("lone_error_within", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("lone_error_meaning", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("is_own", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.CheckConstraint("minimum <= maximum", name="order"),
        sa.CheckConstraint("cardinality(error_values) = cardinality(error_meanings)", name="meanings"),
        sa.ForeignKeyConstraint(
            ["quantity_type_id"],
            ["quantity_types.id"],
            name="plausible_limits_quantity_type_id_fkey",
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["peripheral_definition_id"],
            ["peripheral_definitions.id"],
            name="plausible_limits_peripheral_definition_id_fkey",
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="plausible_limits_pkey"),
    )
    op.create_index(
        "plausible_limits_of_quantity_idx",
        "plausible_limits",
        ["quantity_type_id"],
        unique=True,
        postgresql_where=sa.text("peripheral_definition_id IS NULL"),
    )
    op.create_index(
        "plausible_limits_of_device_idx",
        "plausible_limits",
        ["peripheral_definition_id", "quantity_type_id"],
        unique=True,
    )


def downgrade() -> None:
    """Undo the change: hours without a plausible reading lose their rollups, and all others are recomputed."""
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.execute(
        "INSERT INTO series_touched_hours (kit_id, hour) SELECT DISTINCT p.kit_id, h.hour "
        "FROM series_hours h JOIN peripherals p ON p.id = h.peripheral_id WHERE h.implausible > 0"
    )
    op.drop_index("series_hours_implausible_idx", "series_hours")
    for table in ("series_hours", "series_days"):
        op.execute(f"DELETE FROM {table} WHERE count = 0")  # noqa: S608  (our own names)
        for column in ("last_implausible_value", "last_implausible_at", "implausible"):
            op.drop_column(table, column)
        for column in _OF_PLAUSIBLE:
            op.alter_column(table, column, nullable=False)
    op.drop_table("series_rechecks")
    op.drop_table("plausible_limits")
    op.execute("DROP FUNCTION hortus_recheck_rollups")
