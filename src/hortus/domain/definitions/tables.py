"""Quantity types and peripheral definitions: the vocabulary shared by kits and server."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, ForeignKey, SmallInteger, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from hortus.base.database.base import Base


class QuantityTypeRow(Base):
    """A physical quantity in a unit, for example temperature in degrees Celsius."""

    __tablename__ = "quantity_types"
    __table_args__ = (UniqueConstraint("physical_quantity", "physical_unit"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    physical_quantity: Mapped[str] = mapped_column(String(255))
    physical_unit: Mapped[str] = mapped_column(String(255))
    physical_unit_symbol: Mapped[str | None] = mapped_column(String(255))
    # With how many decimals values are shown. Null for built-in quantities, which bring theirs, and if unknown.
    decimals: Mapped[int | None] = mapped_column(SmallInteger)


class PeripheralDefinitionRow(Base):
    """A kind of peripheral: the kit's driver class, and JSON Schemas of its settings and commands."""

    __tablename__ = "peripheral_definitions"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    description: Mapped[str | None] = mapped_column(Text)
    brand: Mapped[str | None] = mapped_column(String(100))
    model: Mapped[str | None] = mapped_column(String(100))
    symbol_location: Mapped[str] = mapped_column(String(255))
    symbol: Mapped[str] = mapped_column(String(255))
    # json rather than jsonb: the order of keys is the order of fields in the form that users fill in.
    configuration_schema: Mapped[Any] = mapped_column(JSON, nullable=False)
    command_schema: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))


class ExpectedQuantityTypeRow(Base):
    """A quantity type that a peripheral of this definition is expected to measure."""

    __tablename__ = "peripheral_definition_expected_quantity_types"
    __table_args__ = (UniqueConstraint("peripheral_definition_id", "quantity_type_id", name="pair_key"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    quantity_type_id: Mapped[int] = mapped_column(
        ForeignKey("quantity_types.id", name="expected_quantity_types_type_fkey")
    )
    peripheral_definition_id: Mapped[int] = mapped_column(
        # Named explicitly: the conventional name would be longer than PostgreSQL allows.
        ForeignKey("peripheral_definitions.id", name="expected_quantity_types_definition_fkey")
    )
