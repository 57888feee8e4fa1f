"""First schema.

Revision ID: 20261122_first
Revises:
Create Date: 2026-11-22 15:02:51.675861
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261122_first"
down_revision = None
branch_labels = None
depends_on = None


_FUNCTIONS_AND_TRIGGERS = (
    """
    CREATE FUNCTION hortus_set_first_activated_at() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.active AND NEW.first_activated_at IS NULL THEN
            NEW.first_activated_at := now();
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER kit_configurations_10_set_first_activated_at
    BEFORE INSERT OR UPDATE ON kit_configurations
    FOR EACH ROW EXECUTE FUNCTION hortus_set_first_activated_at()
    """,
    """
    CREATE FUNCTION hortus_set_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.updated_at := now();
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER kits_90_updated_at BEFORE UPDATE ON kits
    FOR EACH ROW EXECUTE FUNCTION hortus_set_updated_at()
    """,
    """
    CREATE TRIGGER users_90_updated_at BEFORE UPDATE ON users
    FOR EACH ROW EXECUTE FUNCTION hortus_set_updated_at()
    """,
    """
    CREATE TRIGGER kit_configurations_90_updated_at BEFORE UPDATE ON kit_configurations
    FOR EACH ROW EXECUTE FUNCTION hortus_set_updated_at()
    """,
    """
    CREATE FUNCTION hortus_announce_kit() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' OR OLD.serial <> NEW.serial THEN
            PERFORM pg_notify('hortus_registry', 'kit-deleted ' || OLD.serial);
        ELSIF OLD.password_hash <> NEW.password_hash THEN
            PERFORM pg_notify('hortus_registry', 'kit-password ' || NEW.serial);
        END IF;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER kits_95_announce AFTER UPDATE OR DELETE ON kits
    FOR EACH ROW EXECUTE FUNCTION hortus_announce_kit()
    """,
    """
    CREATE FUNCTION hortus_announce_configuration() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        changed_kit_id integer := CASE WHEN TG_OP = 'DELETE' THEN OLD.kit_id ELSE NEW.kit_id END;
        changed_serial text;
    BEGIN
        SELECT serial INTO changed_serial FROM kits WHERE id = changed_kit_id;
        IF changed_serial IS NOT NULL THEN  -- otherwise the kit itself is being deleted
            PERFORM pg_notify('hortus_registry', 'kit-configuration ' || changed_serial);
        END IF;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER kit_configurations_95_announce AFTER INSERT OR UPDATE OR DELETE ON kit_configurations
    FOR EACH ROW EXECUTE FUNCTION hortus_announce_configuration()
    """,
    """
    CREATE TRIGGER peripherals_95_announce AFTER INSERT OR UPDATE OR DELETE ON peripherals
    FOR EACH ROW EXECUTE FUNCTION hortus_announce_configuration()
    """,
    """
    CREATE FUNCTION hortus_announce_quantity_types() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_notify('hortus_registry', 'quantity-types ');
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER quantity_types_95_announce AFTER INSERT OR UPDATE OR DELETE ON quantity_types
    FOR EACH STATEMENT EXECUTE FUNCTION hortus_announce_quantity_types()
    """,
)


def upgrade() -> None:
    """Apply the change."""
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.create_table(
        "aggregate_measurements",
        sa.Column("datetime_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("datetime_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kit_id", sa.Integer(), nullable=False),
        sa.Column("peripheral_id", sa.Integer(), nullable=False),
        sa.Column("kit_configuration_id", sa.Integer(), nullable=False),
        sa.Column("quantity_type_id", sa.Integer(), nullable=False),
        sa.Column("values", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("kit_id", "datetime_start", "id", name="aggregate_measurements_pkey"),
        postgresql_partition_by="RANGE (datetime_start)",
    )
    op.create_table(
        "broker_account_changes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("serial", sa.String(length=20), nullable=False),
        sa.Column("action", sa.String(length=10), nullable=False),
        sa.Column("encrypted_password", sa.LargeBinary(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("action IN ('set', 'delete')", name=op.f("broker_account_changes_action_check")),
        sa.CheckConstraint(
            "(action = 'set') = (encrypted_password IS NOT NULL)",
            name=op.f("broker_account_changes_password_when_set_check"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("broker_account_changes_pkey")),
    )
    op.create_index("broker_account_changes_serial_idx", "broker_account_changes", ["serial"], unique=False)
    op.create_table(
        "ingest_batches",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("committed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="ingest_batches_pkey"),
    )
    op.create_index("ingest_batches_committed_at_idx", "ingest_batches", ["committed_at"], unique=False)
    op.create_table(
        "ingest_ledger",
        sa.Column("kit_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stream", sa.String(length=16), nullable=False),
        sa.Column("received", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("stored", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("duplicate", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("quarantined", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("refused", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint(
            "received = stored + duplicate + quarantined + refused", name=op.f("ingest_ledger_adds_up_check")
        ),
        sa.PrimaryKeyConstraint("kit_id", "hour", "stream", name="ingest_ledger_pkey"),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "ingest_ledger_reasons",
        sa.Column("kit_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stream", sa.String(length=16), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint(
            "kit_id", "hour", "stream", "outcome", "reason", name="ingest_ledger_reasons_pkey"
        ),
    )
    op.create_table(
        "kits",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("serial", sa.String(length=20), nullable=False),
        sa.Column("password_hash", sa.String(length=255), nullable=False),
        sa.Column("broker_password", sa.Text(), nullable=True),
        sa.Column("name", sa.String(length=255), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("latitude", sa.Numeric(precision=11, scale=8), nullable=True),
        sa.Column("longitude", sa.Numeric(precision=11, scale=8), nullable=True),
        sa.Column("privacy_public_dashboard", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("privacy_show_on_map", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="kits_pkey"),
        sa.UniqueConstraint("serial", name="kits_serial_key"),
    )
    op.create_index("kits_privacy_show_on_map_idx", "kits", ["privacy_show_on_map"], unique=False)
    op.create_table(
        "peripheral_definitions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("brand", sa.String(length=100), nullable=True),
        sa.Column("model", sa.String(length=100), nullable=True),
        sa.Column("symbol_location", sa.String(length=255), nullable=False),
        sa.Column("symbol", sa.String(length=255), nullable=False),
        sa.Column("configuration_schema", sa.JSON(), nullable=False),
        sa.Column("command_schema", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="peripheral_definitions_pkey"),
        sa.UniqueConstraint("name", name="peripheral_definitions_name_key"),
    )
    op.create_table(
        "quantity_types",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("physical_quantity", sa.String(length=255), nullable=False),
        sa.Column("physical_unit", sa.String(length=255), nullable=False),
        sa.Column("physical_unit_symbol", sa.String(length=255), nullable=True),
        sa.PrimaryKeyConstraint("id", name="quantity_types_pkey"),
        sa.UniqueConstraint(
            "physical_quantity", "physical_unit", name="quantity_types_physical_quantity_physical_unit_key"
        ),
    )
    op.create_table(
        "quarantine",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kit_id", sa.Integer(), nullable=False),
        sa.Column("stream", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("payload_bytes", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="quarantine_pkey"),
    )
    op.create_index("quarantine_kit_id_id_idx", "quarantine", ["kit_id", "id"], unique=False)
    op.create_table(
        "queue_media_pending_deletion",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("media_id", sa.Uuid(), nullable=False),
        sa.Column("kit_serial", sa.String(length=20), nullable=False),
        sa.Column("media_datetime", sa.DateTime(timezone=True), nullable=False),
        sa.Column("media_size", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("media_size >= 0", name=op.f("queue_media_pending_deletion_size_check")),
        sa.PrimaryKeyConstraint("id", name="queue_media_pending_deletion_pkey"),
        sa.UniqueConstraint("media_id", name="queue_media_pending_deletion_media_id_key"),
    )
    op.create_table(
        "raw_measurements",
        sa.Column("datetime", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kit_id", sa.Integer(), nullable=False),
        sa.Column("peripheral_id", sa.Integer(), nullable=False),
        sa.Column("kit_configuration_id", sa.Integer(), nullable=False),
        sa.Column("quantity_type_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("kit_id", "datetime", "id", name="raw_measurements_pkey"),
        postgresql_partition_by="RANGE (datetime)",
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("username", sa.String(length=40), nullable=False),
        sa.Column("display_name", sa.String(length=40), nullable=False),
        sa.Column("password_hash", sa.String(length=255), nullable=False),
        sa.Column("email_address", sa.String(length=255), nullable=False),
        sa.Column(
            "use_email_address_for_gravatar", sa.Boolean(), server_default=sa.text("true"), nullable=False
        ),
        sa.Column("gravatar_alternative", sa.String(length=255), nullable=False),
        sa.Column("is_admin", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="users_pkey"),
        sa.UniqueConstraint("email_address", name="users_email_address_key"),
        sa.UniqueConstraint("username", name="users_username_key"),
    )
    op.create_table(
        "kit_configurations",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kit_id", sa.Integer(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("controller_symbol_location", sa.Text(), nullable=False),
        sa.Column("controller_symbol", sa.Text(), nullable=False),
        sa.Column("control_rules", sa.JSON(), nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("first_activated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "never_used",
            sa.Boolean(),
            sa.Computed("first_activated_at IS NULL", persisted=True),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["kit_id"],
            ["kits.id"],
            name="kit_configurations_kit_id_fkey",
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="kit_configurations_pkey"),
    )
    op.create_index("kit_configurations_kit_id_idx", "kit_configurations", ["kit_id"], unique=False)
    op.create_index(
        "kit_configurations_one_active_per_kit",
        "kit_configurations",
        ["kit_id"],
        unique=True,
        postgresql_where=sa.text("active"),
    )
    op.create_table(
        "kit_last_seen",
        sa.Column("kit_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("datetime_last_seen", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["kit_id"], ["kits.id"], name="kit_last_seen_kit_id_fkey", onupdate="CASCADE", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("kit_id", name="kit_last_seen_pkey"),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "kit_memberships",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("kit_id", sa.Integer(), nullable=False),
        sa.Column("datetime_linked", sa.DateTime(timezone=True), nullable=False),
        sa.Column("access_super", sa.Boolean(), nullable=False),
        sa.Column("access_configure", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["kit_id"], ["kits.id"], name="kit_memberships_kit_id_fkey", onupdate="CASCADE", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name="kit_memberships_user_id_fkey",
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="kit_memberships_pkey"),
        sa.UniqueConstraint("user_id", "kit_id", name="kit_memberships_user_id_kit_id_key"),
    )
    op.create_index("kit_memberships_kit_id_idx", "kit_memberships", ["kit_id"], unique=False)
    op.create_table(
        "peripheral_definition_expected_quantity_types",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("quantity_type_id", sa.Integer(), nullable=False),
        sa.Column("peripheral_definition_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["peripheral_definition_id"],
            ["peripheral_definitions.id"],
            name="expected_quantity_types_definition_fkey",
        ),
        sa.ForeignKeyConstraint(
            ["quantity_type_id"],
            ["quantity_types.id"],
            name="expected_quantity_types_type_fkey",
        ),
        sa.PrimaryKeyConstraint("id", name="peripheral_definition_expected_quantity_types_pkey"),
        sa.UniqueConstraint("peripheral_definition_id", "quantity_type_id", name="pair_key"),
    )
    op.create_table(
        "peripherals",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kit_id", sa.Integer(), nullable=False),
        sa.Column("kit_configuration_id", sa.Integer(), nullable=False),
        sa.Column("peripheral_definition_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("configuration", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["kit_configuration_id"],
            ["kit_configurations.id"],
            name="peripherals_kit_configuration_id_fkey",
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["kit_id"], ["kits.id"], name="peripherals_kit_id_fkey", onupdate="CASCADE", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["peripheral_definition_id"],
            ["peripheral_definitions.id"],
            name="peripherals_peripheral_definition_id_fkey",
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="peripherals_pkey"),
        sa.UniqueConstraint("kit_configuration_id", "name", name="peripherals_kit_configuration_id_name_key"),
    )
    op.create_index("peripherals_kit_id_idx", "peripherals", ["kit_id"], unique=False)
    op.create_index(
        "peripherals_peripheral_definition_id_idx", "peripherals", ["peripheral_definition_id"], unique=False
    )
    op.create_table(
        "media",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("peripheral_id", sa.Integer(), nullable=False),
        sa.Column("kit_id", sa.Integer(), nullable=False),
        sa.Column("kit_configuration_id", sa.Integer(), nullable=False),
        sa.Column("datetime", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("type", sa.String(length=255), nullable=False),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("size >= 0", name=op.f("media_size_check")),
        sa.ForeignKeyConstraint(
            ["kit_configuration_id"],
            ["kit_configurations.id"],
            name="media_kit_configuration_id_fkey",
            onupdate="CASCADE",
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["kit_id"], ["kits.id"], name="media_kit_id_fkey", onupdate="CASCADE", ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["peripheral_id"],
            ["peripherals.id"],
            name="media_peripheral_id_fkey",
            onupdate="CASCADE",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name="media_pkey"),
    )
    op.create_index("media_datetime_idx", "media", ["datetime"], unique=False)
    op.create_index("media_kit_configuration_id_idx", "media", ["kit_configuration_id"], unique=False)
    op.create_index("media_kit_id_idx", "media", ["kit_id"], unique=False)
    op.create_index("media_peripheral_id_idx", "media", ["peripheral_id"], unique=False)
    for statement in _FUNCTIONS_AND_TRIGGERS:
        op.execute(statement)


def downgrade() -> None:
    """Undo the change: there is nothing before the first schema, and dropping all readings is not offered."""
    raise RuntimeError("The first schema cannot be undone; drop the database instead.")
