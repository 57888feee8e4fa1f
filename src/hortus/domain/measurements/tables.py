"""The tables of readings and aggregates.

Both tables are partitioned by device time (see hortus.base.database.partitions). The key starts with the kit,
so that a redelivered reading conflicts with itself (P2), a range of one kit is one index scan, and inserts go
to the right edge of each kit. There are no foreign keys: four of them would cost more than the insert itself,
so the ingest path instead locks the peripherals of a batch once, which gives the same guarantee
(docs/decisions/0002-readings-without-foreign-keys.md). Columns are ordered wide to narrow to avoid padding.
"""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy import Double, Index, PrimaryKeyConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from hortus.base.database.base import Base, CreatedAt, Timestamp


class RawMeasurementRow(Base):
    """One reading. `datetime` is by the kit's clock, `received_at` by ours (P8)."""

    __tablename__ = "raw_measurements"
    __table_args__ = (
        PrimaryKeyConstraint("kit_id", "datetime", "id"),
        {"postgresql_partition_by": "RANGE (datetime)"},
    )

    datetime: Mapped[Timestamp]
    received_at: Mapped[Timestamp] = mapped_column(server_default=func.now())
    value: Mapped[float] = mapped_column(Double)
    id: Mapped[UUID]
    kit_id: Mapped[int]
    peripheral_id: Mapped[int]
    kit_configuration_id: Mapped[int]
    quantity_type_id: Mapped[int]


class AggregateMeasurementRow(Base):
    """Figures that a kit computed over a window. `values` maps a type (`average`, …) to a number."""

    __tablename__ = "aggregate_measurements"
    __table_args__ = (
        PrimaryKeyConstraint("kit_id", "datetime_start", "id"),
        # Charts request one peripheral and quantity; without this, each page reads the kit's whole history.
        Index(
            "aggregate_measurements_by_series_idx",
            *("kit_id", "peripheral_id", "quantity_type_id"),
            *(text("datetime_start DESC"), text("id DESC")),
        ),
        {"postgresql_partition_by": "RANGE (datetime_start)"},
    )

    datetime_start: Mapped[Timestamp]
    datetime_end: Mapped[Timestamp]
    received_at: Mapped[Timestamp] = mapped_column(server_default=func.now())
    id: Mapped[UUID]
    kit_id: Mapped[int]
    peripheral_id: Mapped[int]
    kit_configuration_id: Mapped[int]
    quantity_type_id: Mapped[int]
    values: Mapped[dict[str, float]] = mapped_column(JSONB)


class OpenedMonthRow(Base):
    """A month whose partitions were created for late readings, and the kit whose readings they were."""

    __tablename__ = "opened_months"

    month: Mapped[date] = mapped_column(primary_key=True)
    kit_id: Mapped[int]
    opened_at: Mapped[Timestamp]


class IngestBatchRow(Base):
    """A committed batch: lets a writer that lost the reply to its COMMIT find out whether it succeeded."""

    __tablename__ = "ingest_batches"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    committed_at: Mapped[CreatedAt] = mapped_column(index=True)
