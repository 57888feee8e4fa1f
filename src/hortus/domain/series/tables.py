"""Series and their rollups (docs/series.md).

Rollups belong to peripherals and not to series: a peripheral that is deleted or renamed takes its share with
it, and nothing has to be recomputed. A series adds up the rollups of all peripherals with its name.
"""

from __future__ import annotations

from sqlalchemy import (
    Column,
    DateTime,
    Double,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from hortus.base.database.base import Base, Timestamp


class SeriesRow(Base):
    """A quantity that a kit's peripheral of this name measures, across all configurations of the kit.

    Created when it is first needed. It stays when the last peripheral with its name is deleted, because a plant
    or an alert may refer to it, and a later configuration may use that name again.
    """

    __tablename__ = "series"
    __table_args__ = (UniqueConstraint("kit_id", "peripheral_name", "quantity_type_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    kit_id: Mapped[int] = mapped_column(ForeignKey("kits.id", onupdate="CASCADE", ondelete="CASCADE"))
    peripheral_name: Mapped[str] = mapped_column(String(255))
    quantity_type_id: Mapped[int] = mapped_column(
        ForeignKey("quantity_types.id", onupdate="CASCADE", ondelete="CASCADE")
    )


class HourRollupRow(Base):
    """The rollup of one peripheral and quantity over one UTC hour; first and last are by device time.

    All figures are of plausible readings, and null without one; `implausible` counts the others. Columns are
    ordered wide to narrow to avoid padding, later ones at the end. `sealed` marks the rollup of readings whose
    rows have been dropped since: it is never recomputed, and readings that arrive for the same hour later are
    rolled up beside it.
    """

    __tablename__ = "series_hours"
    __table_args__ = (
        PrimaryKeyConstraint("peripheral_id", "quantity_type_id", "hour", "sealed"),
        # Finds the sensors that are faulty at present, of which there are few.
        Index("series_hours_implausible_idx", "hour", postgresql_where=text("implausible > 0")),
    )

    hour: Mapped[Timestamp]
    first_at: Mapped[Timestamp | None]
    last_at: Mapped[Timestamp | None]
    first_value: Mapped[float | None] = mapped_column(Double)
    last_value: Mapped[float | None] = mapped_column(Double)
    minimum: Mapped[float | None] = mapped_column(Double)
    maximum: Mapped[float | None] = mapped_column(Double)
    sum: Mapped[float] = mapped_column(Double)
    count: Mapped[int]
    peripheral_id: Mapped[int] = mapped_column(
        ForeignKey("peripherals.id", onupdate="CASCADE", ondelete="CASCADE")
    )
    quantity_type_id: Mapped[int]
    sealed: Mapped[bool]
    implausible: Mapped[int] = mapped_column(server_default=text("0"))
    last_implausible_at: Mapped[Timestamp | None]
    last_implausible_value: Mapped[float | None] = mapped_column(Double)


class DayRollupRow(Base):
    """The rollup of one UTC day: the sum of its hours, sealed or not."""

    __tablename__ = "series_days"
    __table_args__ = (PrimaryKeyConstraint("peripheral_id", "quantity_type_id", "day"),)

    day: Mapped[Timestamp]
    first_at: Mapped[Timestamp | None]
    last_at: Mapped[Timestamp | None]
    first_value: Mapped[float | None] = mapped_column(Double)
    last_value: Mapped[float | None] = mapped_column(Double)
    minimum: Mapped[float | None] = mapped_column(Double)
    maximum: Mapped[float | None] = mapped_column(Double)
    sum: Mapped[float] = mapped_column(Double)
    count: Mapped[int]
    peripheral_id: Mapped[int] = mapped_column(
        ForeignKey("peripherals.id", onupdate="CASCADE", ondelete="CASCADE")
    )
    quantity_type_id: Mapped[int]
    implausible: Mapped[int] = mapped_column(server_default=text("0"))
    last_implausible_at: Mapped[Timestamp | None]
    last_implausible_value: Mapped[float | None] = mapped_column(Double)


touched_hours = Table(
    "series_touched_hours",
    Base.metadata,
    Column("hour", DateTime(timezone=True), nullable=False),
    Column("kit_id", Integer, nullable=False),
    Index(None, "kit_id", "hour"),
)
"""Hours (device time) of a kit to which readings were added since they were rolled up.

Ingest only appends, so that no batch waits for another: without a key, an hour may be listed many times, and
without a foreign key, for a deleted kit (docs/decisions/0002-readings-without-foreign-keys.md).
"""


class RecheckRow(Base):
    """A peripheral whose rollups may include values that its present limits exclude, or lack some they allow.

    Written by a trigger when limits change, and read by the job (hortus.domain.series.rechecking).
    """

    __tablename__ = "series_rechecks"

    peripheral_id: Mapped[int] = mapped_column(
        ForeignKey("peripherals.id", onupdate="CASCADE", ondelete="CASCADE"), primary_key=True
    )
