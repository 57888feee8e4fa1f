"""Listing stored measurements page by page, in either direction of time.

A page starts after the last row of the previous page, by time and id, so the thousandth page costs as much as
the first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import product
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Integer,
    Select,
    and_,
    cast,
    column,
    func,
    literal,
    literal_column,
    select,
    true,
    tuple_,
    union,
)
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.definitions.tables import QuantityTypeRow
from hortus.domain.kits.tables import KitConfigurationRow, PeripheralRow
from hortus.domain.measurements.tables import AggregateMeasurementRow, RawMeasurementRow
from hortus.domain.series.tables import HourRollupRow, touched_hours

# Ingest refuses readings that are older (the kit's clock was not set) or further ahead than this.
_EARLIEST = datetime(2010, 1, 1, tzinfo=UTC)
_FURTHEST_AHEAD = timedelta(days=1)

_HOUR = timedelta(hours=1)
_FIRST_STRETCH = timedelta(days=1)
_GROWTH = 8

# More series than this are not looked up one by one.
_MOST_SERIES = 250


class Order(StrEnum):
    """The chronological order of a list of measurements."""

    DESC = "desc"
    ASC = "asc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which measurements of a kit to return; None means any.

    `start` is inclusive and `end` exclusive, in device time; for an aggregate, its start counts. `after` is the
    last row of the previous page.
    """

    configuration_id: int | None = None
    peripheral_id: int | None = None
    quantity_type_id: int | None = None
    start: datetime | None = None
    end: datetime | None = None
    order: Order = Order.DESC
    after: tuple[datetime, UUID] | None = None

    @property
    def any_series(self) -> bool:
        """Whether there is no restriction to certain series of the kit."""
        return self.configuration_id is self.peripheral_id is self.quantity_type_id is None


async def page_of_aggregates(
    connection: AsyncConnection, kit_id: int, wanted: Wanted, most: int
) -> Sequence[RowMapping]:
    """Return at most `most` aggregates of a kit, ordered by start and id."""
    page = _Page(AggregateMeasurementRow, AggregateMeasurementRow.datetime_start, kit_id, wanted, most)
    if wanted.any_series:
        return await _rows(connection, page.of_kit())
    peripheral_ids = await _peripherals(connection, kit_id, wanted)
    series = list(product(peripheral_ids, await _quantity_types(connection, wanted)))
    if not series:
        # Looking for series that cannot exist would read the kit's whole history.
        return []
    one_by_one = 1 < len(series) <= _MOST_SERIES
    return await _rows(connection, page.of_series(series) if one_by_one else page.of_kit())


async def page_of_readings(
    connection: AsyncConnection, kit_id: int, wanted: Wanted, most: int, now: datetime
) -> Sequence[RowMapping]:
    """Return at most `most` readings of a kit, ordered by time and id."""
    if wanted.any_series:
        page = _Page(RawMeasurementRow, RawMeasurementRow.datetime, kit_id, wanted, most)
        return await _rows(connection, page.of_kit())
    peripheral_ids = await _peripherals(connection, kit_id, wanted)
    found: list[RowMapping] = []
    if not peripheral_ids:
        return found
    # There is no index by series, which would cost ingest more than anything else. But rollups show which hours
    # hold readings of a series; these are read, in ever longer stretches, until there are enough readings.
    for stretch in _stretches(wanted, now):
        page = _Page(RawMeasurementRow, RawMeasurementRow.datetime, kit_id, stretch, most - len(found))
        found += await _rows(connection, page.of_hours(peripheral_ids))
        if len(found) == most:
            break
    return found


def _stretches(wanted: Wanted, now: datetime) -> Iterator[Wanted]:
    """Yield the wanted span in stretches of growing length, in the wanted order."""
    first = max(wanted.start or _EARLIEST, _EARLIEST)
    last = min(wanted.end or now + _FURTHEST_AHEAD, now + _FURTHEST_AHEAD)
    if wanted.after is not None:
        # Other rows may share the last row's time.
        if wanted.order is Order.DESC:
            last = min(last, wanted.after[0] + timedelta(microseconds=1))
        else:
            first = max(first, wanted.after[0])
    length = _FIRST_STRETCH
    while first < last:
        if wanted.order is Order.DESC:
            edge = max(first, last - length)
            yield replace(wanted, start=edge, end=last)
            last = edge
        else:
            edge = min(last, first + length)
            yield replace(wanted, start=first, end=edge)
            first = edge
        length *= _GROWTH


class _Page:
    """Builds the statements for one page of a table."""

    def __init__(self, table: Any, at: Any, kit_id: int, wanted: Wanted, most: int) -> None:
        self._table = table
        self._at = at
        self._kit_id = kit_id
        self._wanted = wanted
        self._most = most

    def of_kit(self) -> Select[Any]:
        """Return the rows of the kit, along the primary key; of a single series, along its index."""
        return self._ordered(select(self._table.__table__).where(*self._conditions()))

    def of_series(self, series: list[tuple[int, int]]) -> Select[Any]:
        """Return the rows of these series (pairs of peripheral and quantity type), each along its index."""
        peripheral_ids, quantity_type_ids = (
            cast(literal(list(ids)), ARRAY(Integer)) for ids in zip(*series, strict=True)
        )
        pairs = (
            func.unnest(peripheral_ids, quantity_type_ids)
            .table_valued(column("peripheral_id", Integer), column("quantity_type_id", Integer), name="pairs")
            .render_derived()
        )
        of_one = self._ordered(
            select(self._table.__table__).where(
                *self._conditions(),
                self._table.peripheral_id == pairs.c.peripheral_id,
                self._table.quantity_type_id == pairs.c.quantity_type_id,
            )
        ).lateral("of_one")
        return self._ordered(select(of_one).select_from(pairs.join(of_one, true())), of_one.c)

    def of_hours(self, peripheral_ids: list[int]) -> Select[Any]:
        """Return the rows of these peripherals, reading only the hours that hold any."""
        assert self._wanted.start is not None
        assert self._wanted.end is not None
        span = (self._wanted.start - _HOUR, self._wanted.end)
        rolled_up = select(HourRollupRow.hour).where(
            HourRollupRow.peripheral_id.in_(peripheral_ids),
            HourRollupRow.hour > span[0],
            HourRollupRow.hour < span[1],
        )
        if self._wanted.quantity_type_id is not None:
            rolled_up = rolled_up.where(HourRollupRow.quantity_type_id == self._wanted.quantity_type_id)
        touched = select(touched_hours.c.hour).where(
            touched_hours.c.kit_id == self._kit_id,
            touched_hours.c.hour > span[0],
            touched_hours.c.hour < span[1],
        )
        hours = union(rolled_up, touched).subquery("hours")
        readings = (
            select(self._table.__table__)
            .where(
                *self._conditions(),
                self._table.peripheral_id.in_(peripheral_ids),
                self._at >= hours.c.hour,
                self._at < hours.c.hour + _HOUR,
            )
            .offset(literal_column("0"))  # otherwise the planner reads all of the kit's readings first
            .lateral("readings")
        )
        # Ordered by hour first, so that PostgreSQL can stop as soon as there are enough rows.
        down = self._wanted.order is Order.DESC
        by_hour = select(readings).select_from(hours.join(readings, true()))
        return self._ordered(by_hour.order_by(hours.c.hour.desc() if down else hours.c.hour), readings.c)

    def _conditions(self) -> Iterator[ColumnElement[bool]]:
        wanted = self._wanted
        yield self._table.kit_id == self._kit_id
        yield self._table.kit_configuration_id.not_in(
            select(KitConfigurationRow.id).where(
                KitConfigurationRow.kit_id == self._kit_id, KitConfigurationRow.deleted_at.is_not(None)
            )
        )
        if wanted.configuration_id is not None:
            yield self._table.kit_configuration_id == wanted.configuration_id
        if wanted.peripheral_id is not None:
            yield self._table.peripheral_id == wanted.peripheral_id
        if wanted.quantity_type_id is not None:
            yield self._table.quantity_type_id == wanted.quantity_type_id
        if wanted.start is not None:
            yield self._at >= wanted.start
        if wanted.end is not None:
            yield self._at < wanted.end
        if wanted.after is not None:
            # The first condition is implied by the second; it lets PostgreSQL prune partitions.
            place = tuple_(self._at, self._table.id)
            if wanted.order is Order.DESC:
                yield and_(self._at <= wanted.after[0], place < tuple_(*wanted.after))
            else:
                yield and_(self._at >= wanted.after[0], place > tuple_(*wanted.after))

    def _ordered(self, statement: Select[Any], columns: Any = None) -> Select[Any]:
        columns = self._table.__table__.c if columns is None else columns
        keys = (columns[self._at.key], columns.id)
        down = self._wanted.order is Order.DESC
        return statement.order_by(*(key.desc() if down else key for key in keys)).limit(self._most)


async def _peripherals(connection: AsyncConnection, kit_id: int, wanted: Wanted) -> list[int]:
    statement = select(PeripheralRow.id).where(
        PeripheralRow.kit_id == kit_id, PeripheralRow.deleted_at.is_(None)
    )
    if wanted.configuration_id is not None:
        statement = statement.where(PeripheralRow.kit_configuration_id == wanted.configuration_id)
    if wanted.peripheral_id is not None:
        statement = statement.where(PeripheralRow.id == wanted.peripheral_id)
    return list((await connection.scalars(statement)).all())


async def _quantity_types(connection: AsyncConnection, wanted: Wanted) -> list[int]:
    if wanted.quantity_type_id is not None:
        return [wanted.quantity_type_id]
    return list((await connection.scalars(select(QuantityTypeRow.id))).all())


async def _rows(connection: AsyncConnection, statement: Select[Any]) -> Sequence[RowMapping]:
    rows: Sequence[RowMapping] = (await connection.execute(statement)).mappings().all()
    return rows
