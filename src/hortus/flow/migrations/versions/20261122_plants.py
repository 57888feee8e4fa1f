"""Species profiles, plants, and what they are linked to.

Revision ID: 20261122_plants
Revises: 20261122_media_storage
Create Date: 2026-11-22 21:00:00
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261122_plants"
down_revision = "20261122_media_storage"
branch_labels = None
depends_on = None

_NOW = sa.text("now()")
_EMPTY = sa.text("''")


def upgrade() -> None:
    """Apply the change."""
    op.execute("SET LOCAL lock_timeout = '10s'")
    _create_species()
    _create_plants()
    _create_links_and_photos()
    for table in ("species", "plants"):
        op.execute(
            f"CREATE TRIGGER {table}_90_updated_at BEFORE UPDATE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION hortus_set_updated_at()"
        )


def downgrade() -> None:
    """Undo the change: all plants and all species are lost; kits and their readings stay."""
    for table in ("plant_photos", "plant_links", "plant_ranges", "plants", "species_ranges", "species"):
        op.drop_table(table)


def _create_species() -> None:
    op.create_table(
        "species",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=40), nullable=True),
        sa.Column("owner_id", sa.Integer(), nullable=True),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("description", sa.Text(), server_default=_EMPTY, nullable=False),
        sa.Column("image", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        _owner("species"),
        sa.PrimaryKeyConstraint("id", name="species_pkey"),
        sa.UniqueConstraint("key", name="species_key_key"),
    )
    op.create_index("species_owner_id_idx", "species", ["owner_id"])
    op.create_table(
        "species_ranges",
        sa.Column("species_id", sa.Integer(), nullable=False),
        *_range("species_ranges"),
        sa.CheckConstraint(
            "minimum IS NOT NULL OR maximum IS NOT NULL", name=op.f("species_ranges_bounded_check")
        ),
        sa.ForeignKeyConstraint(
            ["species_id"], ["species.id"], name="species_ranges_species_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("species_id", "quantity_type_id", name="species_ranges_pkey"),
    )


def _create_plants() -> None:
    op.create_table(
        "plants",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=True),
        sa.Column("species_id", sa.Integer(), nullable=True),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("remark", sa.Text(), server_default=_EMPTY, nullable=False),
        sa.Column("image", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        _owner("plants"),
        sa.ForeignKeyConstraint(
            ["species_id"], ["species.id"], name="plants_species_id_fkey", ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name="plants_pkey"),
    )
    op.create_index("plants_owner_id_idx", "plants", ["owner_id"])
    op.create_index("plants_species_id_idx", "plants", ["species_id"])
    op.create_table(
        "plant_ranges",
        sa.Column("plant_id", sa.Integer(), nullable=False),
        *_range("plant_ranges"),
        _plant("plant_ranges"),
        sa.PrimaryKeyConstraint("plant_id", "quantity_type_id", name="plant_ranges_pkey"),
    )


def _create_links_and_photos() -> None:
    op.create_table(
        "plant_links",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("plant_id", sa.Integer(), nullable=False),
        sa.Column("kit_id", sa.Integer(), nullable=False),
        sa.Column("peripheral_name", sa.String(length=255), nullable=True),
        sa.Column("quantity_type_id", sa.Integer(), nullable=True),
        sa.Column("linked_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("linked_until", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(peripheral_name IS NULL) = (quantity_type_id IS NULL)", name=op.f("plant_links_whole_check")
        ),
        sa.CheckConstraint("linked_until > linked_from", name=op.f("plant_links_ordered_check")),
        _plant("plant_links"),
        sa.ForeignKeyConstraint(
            ["kit_id"], ["kits.id"], name="plant_links_kit_id_fkey", onupdate="CASCADE", ondelete="CASCADE"
        ),
        _quantity_type("plant_links"),
        sa.PrimaryKeyConstraint("id", name="plant_links_pkey"),
    )
    op.create_index("plant_links_plant_id_idx", "plant_links", ["plant_id"])
    op.create_index("plant_links_kit_id_idx", "plant_links", ["kit_id"])
    op.create_table(
        "plant_photos",
        sa.Column("plant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("content_type", sa.String(length=40), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        _plant("plant_photos"),
        sa.PrimaryKeyConstraint("plant_id", name="plant_photos_pkey"),
    )


def _owner(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["owner_id"], ["users.id"], name=f"{table}_owner_id_fkey", onupdate="CASCADE", ondelete="SET NULL"
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


def _range(table: str) -> tuple[sa.schema.SchemaItem, ...]:
    return (
        sa.Column("quantity_type_id", sa.Integer(), nullable=False),
        sa.Column("minimum", sa.Double(), nullable=True),
        sa.Column("maximum", sa.Double(), nullable=True),
        sa.CheckConstraint("minimum <= maximum", name=op.f(f"{table}_ordered_check")),
        _quantity_type(table),
    )
