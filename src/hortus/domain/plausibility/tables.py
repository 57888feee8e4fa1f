"""The limits of what can be measured."""

from __future__ import annotations

from sqlalchemy import ARRAY, CheckConstraint, Double, ForeignKey, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from hortus.base.database.base import Base


class PlausibleLimitsRow(Base):
    """What can be measured of a quantity, in general or by one kind of device (docs/plausibility.md).

    The limits of a device replace those of the quantity. `is_own`: they were not loaded with Hortus, and
    loading the built-in ones does not change them. A trigger has rollups recomputed after a change.
    """

    __tablename__ = "plausible_limits"
    __table_args__ = (
        CheckConstraint("minimum <= maximum", name="order"),
        CheckConstraint("cardinality(error_values) = cardinality(error_meanings)", name="meanings"),
        Index(
            "plausible_limits_of_quantity_idx",
            "quantity_type_id",
            unique=True,
            postgresql_where=text("peripheral_definition_id IS NULL"),
        ),
        Index(
            "plausible_limits_of_device_idx",
            *("peripheral_definition_id", "quantity_type_id"),
            unique=True,
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    quantity_type_id: Mapped[int] = mapped_column(
        ForeignKey("quantity_types.id", onupdate="CASCADE", ondelete="CASCADE")
    )
    peripheral_definition_id: Mapped[int | None] = mapped_column(
        ForeignKey("peripheral_definitions.id", onupdate="CASCADE", ondelete="CASCADE")
    )
    minimum: Mapped[float | None] = mapped_column(Double)
    maximum: Mapped[float | None] = mapped_column(Double)
    error_values: Mapped[list[float]] = mapped_column(ARRAY(Double), server_default=text("'{}'"))
    error_meanings: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    lone_error_value: Mapped[float | None] = mapped_column(Double)
    lone_error_within: Mapped[float] = mapped_column(Double, server_default=text("0"))
    lone_error_meaning: Mapped[str] = mapped_column(Text, server_default=text("''"))
    is_own: Mapped[bool] = mapped_column(server_default=text("true"))
