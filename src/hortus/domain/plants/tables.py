"""Species, plants, and the links to the kits or series that measure them (plantkeeper 6).

A series is identified by kit, peripheral name and quantity type, which outlive configurations.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Double,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    String,
    Text,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from hortus.base.database.base import Base, CreatedAt, Timestamp

_ORDERED = "minimum <= maximum"


class SpeciesRow(Base):
    """A kind of plant. Built-in species have a `key` and no owner, and are the same in all installations."""

    __tablename__ = "species"

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str | None] = mapped_column(String(40), unique=True)
    owner_id: Mapped[int | None] = mapped_column(
        ForeignKey("users.id", onupdate="CASCADE", ondelete="SET NULL"), index=True
    )
    name: Mapped[str] = mapped_column(String(80))
    description: Mapped[str] = mapped_column(Text, server_default=text("''"))
    # A name or URL from which clients show a picture; the picture itself is not stored here.
    image: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]
    scientific_name: Mapped[str | None] = mapped_column(String(120))
    # Where its ranges come from.
    sources: Mapped[str] = mapped_column(Text, server_default=text("''"))


class SpeciesRangeRow(Base):
    """A species' target range of a quantity. Both bounds are inclusive; one may be absent."""

    __tablename__ = "species_ranges"
    __table_args__ = (
        CheckConstraint(_ORDERED, name="ordered"),
        CheckConstraint("minimum IS NOT NULL OR maximum IS NOT NULL", name="bounded"),
    )

    species_id: Mapped[int] = mapped_column(ForeignKey("species.id", ondelete="CASCADE"), primary_key=True)
    quantity_type_id: Mapped[int] = mapped_column(
        ForeignKey("quantity_types.id", ondelete="CASCADE"), primary_key=True
    )
    minimum: Mapped[float | None] = mapped_column(Double)
    maximum: Mapped[float | None] = mapped_column(Double)


class PlantRow(Base):
    """A plant of a user. Without an owner (account deleted), it belongs to its kit alone."""

    __tablename__ = "plants"

    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int | None] = mapped_column(
        ForeignKey("users.id", onupdate="CASCADE", ondelete="SET NULL"), index=True
    )
    species_id: Mapped[int | None] = mapped_column(ForeignKey("species.id", ondelete="RESTRICT"), index=True)
    name: Mapped[str] = mapped_column(String(80))
    remark: Mapped[str] = mapped_column(Text, server_default=text("''"))
    # A name or URL set by a client; an uploaded photo is in `plant_photos`.
    image: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]


class PlantRangeRow(Base):
    """A plant's own range of a quantity, replacing its species'. Without bounds, the quantity is not judged."""

    __tablename__ = "plant_ranges"
    __table_args__ = (CheckConstraint(_ORDERED, name="ordered"),)

    plant_id: Mapped[int] = mapped_column(ForeignKey("plants.id", ondelete="CASCADE"), primary_key=True)
    quantity_type_id: Mapped[int] = mapped_column(
        ForeignKey("quantity_types.id", ondelete="CASCADE"), primary_key=True
    )
    minimum: Mapped[float | None] = mapped_column(Double)
    maximum: Mapped[float | None] = mapped_column(Double)


class PlantTargetRangeRow(Base):
    """A target range that a plant had for a quantity, its own or its species', from when until when.

    The present one has no `until`. Written with every change of what it is made of
    (hortus.domain.plants.target_history). `species_name` is kept for when the species is gone.
    """

    __tablename__ = "plant_target_ranges"
    __table_args__ = (
        Index("plant_target_ranges_plant_id_idx", "plant_id", "quantity_type_id", "since"),
        Index(
            "plant_target_ranges_present_key",
            "plant_id",
            "quantity_type_id",
            unique=True,
            postgresql_where=text("until IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    plant_id: Mapped[int] = mapped_column(ForeignKey("plants.id", ondelete="CASCADE"))
    quantity_type_id: Mapped[int] = mapped_column(ForeignKey("quantity_types.id", ondelete="CASCADE"))
    minimum: Mapped[float | None] = mapped_column(Double)
    maximum: Mapped[float | None] = mapped_column(Double)
    is_own: Mapped[bool]
    species_id: Mapped[int | None] = mapped_column(ForeignKey("species.id", ondelete="SET NULL"), index=True)
    species_name: Mapped[str | None] = mapped_column(String(80))
    since: Mapped[Timestamp]
    until: Mapped[Timestamp | None]


class PlantLinkRow(Base):
    """A kit or series that measured a plant, from when until when (exclusive; NULL: still does).

    Either a whole kit, or one of its series: then both peripheral name and quantity type are set. Rows stay
    when a plant moves to another kit, so that its history is not rewritten. The links of a plant are only
    changed with a lock on the plant's row.
    """

    __tablename__ = "plant_links"
    __table_args__ = (
        CheckConstraint("(peripheral_name IS NULL) = (quantity_type_id IS NULL)", name="whole"),
        CheckConstraint("linked_until > linked_from", name="ordered"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    plant_id: Mapped[int] = mapped_column(ForeignKey("plants.id", ondelete="CASCADE"), index=True)
    kit_id: Mapped[int] = mapped_column(
        ForeignKey("kits.id", onupdate="CASCADE", ondelete="CASCADE"), index=True
    )
    peripheral_name: Mapped[str | None] = mapped_column(String(255))
    quantity_type_id: Mapped[int | None] = mapped_column(ForeignKey("quantity_types.id", ondelete="CASCADE"))
    linked_from: Mapped[Timestamp]
    linked_until: Mapped[Timestamp | None]


class PlantPhotoRow(Base):
    """The photo of a plant, re-encoded: scaled down, and without metadata such as time and place."""

    __tablename__ = "plant_photos"

    plant_id: Mapped[int] = mapped_column(
        ForeignKey("plants.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    content_type: Mapped[str] = mapped_column(String(40))
    # Changes with the content; lets browsers revalidate their cached copy.
    digest: Mapped[str] = mapped_column(String(64))
    content: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[CreatedAt]
