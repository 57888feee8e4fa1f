"""Reading stored measurements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.kits.tables import PeripheralRow
from hortus.measurements.tables import AggregateMeasurementRow


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateFilter:
    """Which aggregates of a kit are wanted; None means any."""

    configuration_id: int | None = None
    peripheral_id: int | None = None
    quantity_type_id: int | None = None


async def newest_aggregates(
    connection: AsyncConnection,
    kit_id: int,
    wanted: AggregateFilter,
    before: tuple[datetime, UUID] | None,
    most: int,
) -> Sequence[RowMapping]:
    """Return aggregates of a kit, newest first by start and id, beginning before that start and id."""
    peripheral_id = wanted.peripheral_id
    if peripheral_id is not None and not await _is_of_kit(connection, peripheral_id, kit_id):
        # Looking for what cannot be there would read the kit's whole history.
        return []
    table = AggregateMeasurementRow
    statement = (
        select(table.__table__)
        .where(table.kit_id == kit_id)
        .order_by(table.datetime_start.desc(), table.id.desc())
        .limit(most)
    )
    for column, value in (
        (table.kit_configuration_id, wanted.configuration_id),
        (table.peripheral_id, peripheral_id),
        (table.quantity_type_id, wanted.quantity_type_id),
    ):
        if value is not None:
            statement = statement.where(column == value)
    if before is not None:
        # The first condition says the same less exactly; from it, PostgreSQL knows which partitions matter.
        statement = statement.where(
            table.datetime_start <= before[0], tuple_(table.datetime_start, table.id) < tuple_(*before)
        )
    return (await connection.execute(statement)).mappings().all()


async def _is_of_kit(connection: AsyncConnection, peripheral_id: int, kit_id: int) -> bool:
    statement = select(PeripheralRow.id).where(
        PeripheralRow.id == peripheral_id, PeripheralRow.kit_id == kit_id
    )
    return await connection.scalar(statement) is not None
