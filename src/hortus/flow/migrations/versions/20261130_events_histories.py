"""What was when: presence of kits and of ourselves, activations of configurations, and target ranges.

What is known today becomes the beginning of each history.

Revision ID: 20261130_events_histories
Revises: 20261130_plausible_values
Create Date: 2026-11-30 10:00:00
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261130_events_histories"
down_revision = "20261130_plausible_values"
branch_labels = None
depends_on = None

_NOTE_ACTIVATION = """
    CREATE FUNCTION hortus_note_activation() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'UPDATE' AND OLD.active AND NOT NEW.active THEN
            UPDATE configuration_activations SET until = greatest(since, now())
            WHERE kit_configuration_id = NEW.id AND until IS NULL;
        ELSIF NEW.active AND (TG_OP = 'INSERT' OR NOT OLD.active) THEN
            INSERT INTO configuration_activations (kit_id, kit_configuration_id, name, since)
            VALUES (NEW.kit_id, NEW.id, NEW.description, now());
        END IF;
        RETURN NULL;
    END $$
    """
_TRIGGER = """
    CREATE TRIGGER kit_configurations_96_note_activation
    AFTER INSERT OR UPDATE OF active ON kit_configurations
    FOR EACH ROW EXECUTE FUNCTION hortus_note_activation()
    """

_BEGINNINGS = (
    # Since when older ranges apply is unknown: they are shown for all of the past, as they were until today.
    """
    INSERT INTO plant_target_ranges
        (plant_id, quantity_type_id, minimum, maximum, is_own, species_id, species_name, since)
    SELECT plant_id, quantity_type_id, minimum, maximum, true, NULL, NULL, to_timestamp(0)
    FROM plant_ranges WHERE minimum IS NOT NULL OR maximum IS NOT NULL
    UNION ALL
    SELECT p.id, r.quantity_type_id, r.minimum, r.maximum, false, s.id, s.name, to_timestamp(0)
    FROM plants p JOIN species s ON s.id = p.species_id JOIN species_ranges r ON r.species_id = s.id
    WHERE NOT EXISTS (SELECT FROM plant_ranges o
                      WHERE o.plant_id = p.id AND o.quantity_type_id = r.quantity_type_id)
    """,
    """
    INSERT INTO presence_intervals (kit_id, since, state)
    SELECT kit_id, announced_since, announced_state FROM kit_presence
    WHERE announced_state <> 'never' AND announced_since IS NOT NULL
    """,
    """
    INSERT INTO listening_outages (since, until)
    SELECT previous_until, listening_since FROM presence_listening WHERE previous_until < listening_since
    """,
    """
    INSERT INTO configuration_activations (kit_id, kit_configuration_id, name, since, fetched_at)
    SELECT c.kit_id, c.id, c.description, c.first_activated_at,
        CASE WHEN f.fetched_at >= c.first_activated_at THEN f.fetched_at END
    FROM kit_configurations c
    LEFT JOIN kit_fetched_configurations f ON f.kit_id = c.kit_id AND f.kit_configuration_id = c.id
    WHERE c.active AND c.first_activated_at IS NOT NULL
    """,
)


def upgrade() -> None:
    """Apply the change."""
    op.execute("SET LOCAL lock_timeout = '10s'")
    _create_presence()
    _create_activations()
    _create_target_ranges()
    for statement in _BEGINNINGS:
        op.execute(statement)
    op.execute(_NOTE_ACTIVATION)
    op.execute(_TRIGGER)


def downgrade() -> None:
    """Undo the change."""
    op.execute("DROP TRIGGER kit_configurations_96_note_activation ON kit_configurations")
    op.execute("DROP FUNCTION hortus_note_activation")
    for table in (
        *("plant_target_ranges", "configuration_activations"),
        *("listening_outages", "presence_intervals"),
    ):
        op.drop_table(table)


def _create_presence() -> None:
    op.create_table(
        "presence_intervals",
        sa.Column("kit_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("last_contact_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["kit_id"],
            ["kits.id"],
            name=op.f("presence_intervals_kit_id_fkey"),
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("kit_id", "since", name=op.f("presence_intervals_pkey")),
    )
    op.create_index(
        "presence_intervals_present_key",
        "presence_intervals",
        ["kit_id"],
        unique=True,
        postgresql_where=sa.text("until IS NULL"),
    )
    op.create_table(
        "listening_outages",
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("since", name=op.f("listening_outages_pkey")),
    )


def _create_activations() -> None:
    op.create_table(
        "configuration_activations",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("kit_id", sa.Integer(), nullable=False),
        sa.Column("kit_configuration_id", sa.Integer(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("running_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["kit_id"],
            ["kits.id"],
            name=op.f("configuration_activations_kit_id_fkey"),
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["kit_configuration_id"],
            ["kit_configurations.id"],
            name=op.f("configuration_activations_kit_configuration_id_fkey"),
            onupdate="CASCADE",
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("configuration_activations_pkey")),
    )
    op.create_index(
        "configuration_activations_kit_id_idx", "configuration_activations", ["kit_id", "since"]
    )
    op.create_index(
        op.f("configuration_activations_kit_configuration_id_idx"),
        "configuration_activations",
        ["kit_configuration_id"],
    )
    op.create_index(
        "configuration_activations_awaited_idx",
        "configuration_activations",
        ["kit_id"],
        postgresql_where=sa.text("until IS NULL AND running_at IS NULL"),
    )


def _create_target_ranges() -> None:
    op.create_table(
        "plant_target_ranges",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("plant_id", sa.Integer(), nullable=False),
        sa.Column("quantity_type_id", sa.Integer(), nullable=False),
        sa.Column("minimum", sa.Double(), nullable=True),
        sa.Column("maximum", sa.Double(), nullable=True),
        sa.Column("is_own", sa.Boolean(), nullable=False),
        sa.Column("species_id", sa.Integer(), nullable=True),
        sa.Column("species_name", sa.String(length=80), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["plant_id"], ["plants.id"], name=op.f("plant_target_ranges_plant_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["quantity_type_id"],
            ["quantity_types.id"],
            name=op.f("plant_target_ranges_quantity_type_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["species_id"],
            ["species.id"],
            name=op.f("plant_target_ranges_species_id_fkey"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("plant_target_ranges_pkey")),
    )
    op.create_index(
        "plant_target_ranges_plant_id_idx", "plant_target_ranges", ["plant_id", "quantity_type_id", "since"]
    )
    op.create_index(
        op.f("plant_target_ranges_species_id_idx"), "plant_target_ranges", ["species_id"]
    )
    op.create_index(
        "plant_target_ranges_present_key",
        "plant_target_ranges",
        ["plant_id", "quantity_type_id"],
        unique=True,
        postgresql_where=sa.text("until IS NULL"),
    )
