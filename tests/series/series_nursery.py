"""A kit with two configurations, and readings written the way every path of ingest writes them."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.base.database.engine import open_engine
from hortus.base.database.partitions import Month, ensure_partitions
from hortus.base.database.url import DatabaseUrl
from hortus.domain.kits.store import (
    CreatedKit,
    CreatedPeripheral,
    KitStore,
    NewKit,
    add_standard_configuration,
)
from hortus.domain.plausibility.rules import UNLIMITED, Limits, implausible_of_hour
from hortus.domain.series.chart_store import Points, chart
from hortus.domain.series.charts import Span
from hortus.domain.series.store import find_series, series_of
from hortus.flow.ingest.batch import ResolvedBatch
from hortus.flow.ingest.store import store_rows

START = datetime(2026, 3, 30, 20, tzinfo=UTC)
"""Some hours before the end of a day; the month ends a day later."""

TEMPERATURE, PRESSURE = 1, 2

LIMITS = Limits(
    minimum=-50.0,
    maximum=60.0,
    error_values={-20.0: "sends when it is not connected", 7.5: "sends when it is wet"},
    lone_error_value=40.0,
    lone_error_within=5.0,
    lone_error_meaning="sends when it has just lost power",
)
"""Those of temperature in the nursery; pressure has none, so that readings of any value are plausible."""

OF_BAROMETERS = Limits(minimum=0.0, device="Pressure")
"""What the second peripheral may measure of temperature, instead."""

AFTER_ALL = START + timedelta(days=100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A reading `offset_ms` after START. Numbers with few digits: their sums do not depend on the order."""

    offset_ms: int
    value: float
    peripheral: int = 0
    quantity_type: int = TEMPERATURE
    id: bytes = field(default_factory=lambda: random.randbytes(16))

    @property
    def at(self) -> datetime:
        return START + timedelta(milliseconds=self.offset_ms)


@dataclass(frozen=True, slots=True)
class Nursery:
    """`peripherals` are those of both configurations, in order of creation."""

    url: str
    kit: CreatedKit
    peripherals: list[CreatedPeripheral]

    async def connect(self) -> asyncpg.Connection:
        return await asyncpg.connect(self.url)

    async def store(self, connection: asyncpg.Connection, readings: list[Reading]) -> None:
        """Store a batch, in a transaction of its own unless one is open."""
        batch = ResolvedBatch()
        columns = batch.raw
        for reading in readings:
            peripheral = self.peripherals[reading.peripheral].id
            batch.peripheral_ids.add(peripheral)
            columns.device_time_ms.append(round(reading.at.timestamp() * 1000))
            columns.received_at_ms.append(round(reading.at.timestamp() * 1000))
            columns.value.append(reading.value)
            columns.id.append(reading.id)
            columns.kit_id.append(self.kit.id)
            columns.peripheral_id.append(peripheral)
            columns.kit_configuration_id.append(1)
            columns.quantity_type_id.append(reading.quantity_type)
        async with connection.transaction():
            await store_rows(connection, batch)

    async def chart(self, engine: AsyncEngine, span: Span, points: int) -> Points:
        """Return the chart of the temperature that the first peripheral of both configurations measured."""
        async with engine.begin() as connection:
            name = self.peripherals[0].name
            series_id = await series_of(connection, self.kit.id, name, TEMPERATURE)
            series = await find_series(connection, self.kit.id, series_id)
            assert series is not None
            return await chart(connection, series, span, points)

    async def forget(self, connection: asyncpg.Connection) -> None:
        """Remove all readings and rollups."""
        await connection.execute("TRUNCATE raw_measurements, series_hours, series_days, series_touched_hours")


async def make_nursery(url: str) -> Nursery:
    """Create a kit in an empty database, and the partitions for its readings."""
    async with open_engine(DatabaseUrl.parse(url)) as engine, engine.begin() as connection:
        kit = await KitStore().create(connection, NewKit(name="basil"))
        peripherals = [
            *await add_standard_configuration(connection, kit.id),
            *await add_standard_configuration(connection, kit.id),
        ]
    connection = await asyncpg.connect(url)
    await ensure_partitions(connection, [Month(2026, month) for month in (3, 4, 5, 6)])
    await connection.execute("DELETE FROM plausible_limits")
    await set_limits(connection, LIMITS)
    await set_limits(connection, OF_BAROMETERS, peripherals[1].id)
    await connection.execute("TRUNCATE series_rechecks")
    await connection.close()
    return Nursery(url, kit, peripherals)


async def set_limits(connection: asyncpg.Connection, limits: Limits, device_of: int | None = None) -> None:
    """Write the limits of temperature: in general, or of the device that this peripheral is."""
    await connection.execute(
        "DELETE FROM plausible_limits WHERE quantity_type_id = $1 AND peripheral_definition_id "
        "IS NOT DISTINCT FROM (SELECT peripheral_definition_id FROM peripherals WHERE id = $2)",
        *(TEMPERATURE, device_of),
    )
    await connection.execute(
        "INSERT INTO plausible_limits (quantity_type_id, peripheral_definition_id, minimum, maximum, "
        "error_values, error_meanings, lone_error_value, lone_error_within, lone_error_meaning) "
        "SELECT $1, (SELECT peripheral_definition_id FROM peripherals WHERE id = $2), "
        "$3, $4, $5, $6, $7, $8, $9",
        *(TEMPERATURE, device_of, limits.minimum, limits.maximum),
        *(list(limits.error_values), list(limits.error_values.values())),
        *(limits.lone_error_value, limits.lone_error_within, limits.lone_error_meaning),
    )


def limits_of(reading: Reading) -> Limits:
    """Return the limits that apply to this reading in the nursery."""
    if reading.quantity_type != TEMPERATURE:
        return UNLIMITED
    return OF_BAROMETERS if reading.peripheral == 1 else LIMITS


def implausible_ids(readings: Iterable[Reading]) -> set[bytes]:
    """Return the ids of the implausible ones, judged by hour the plain way."""
    hours: dict[tuple[int, int, int], list[Reading]] = {}
    for reading in {reading.id: reading for reading in readings}.values():
        key = (reading.peripheral, reading.quantity_type, reading.offset_ms // 3_600_000)
        hours.setdefault(key, []).append(reading)
    found = set()
    for members in hours.values():
        marks = implausible_of_hour(limits_of(members[0]), [each.value for each in members])
        found |= {each.id for each, is_implausible in zip(members, marks, strict=True) if is_implausible}
    return found


async def rollups(connection: asyncpg.Connection, table: str) -> list[dict[str, Any]]:
    """Return a table of rollups, by its key."""
    span = {"series_hours": "hour", "series_days": "day"}[table]
    rows = await connection.fetch(f"SELECT * FROM {table} ORDER BY peripheral_id, quantity_type_id, {span}")
    return [dict(row) for row in rows]


def plain_rollups(nursery: Nursery, readings: list[Reading], span: str) -> list[dict[str, Any]]:
    """Return what `rollups` must be for these readings, computed the plain way."""
    width = timedelta(hours={"hour": 1, "day": 24}[span])
    groups: dict[tuple[int, int, datetime], list[Reading]] = {}
    wrong = implausible_ids(readings)
    for reading in {reading.id: reading for reading in readings}.values():
        at = reading.at
        start = at - (at - datetime(1970, 1, 1, tzinfo=UTC)) % width
        key = (nursery.peripherals[reading.peripheral].id, reading.quantity_type, start)
        groups.setdefault(key, []).append(reading)
    found = []
    for (peripheral_id, quantity_type_id, start), members in sorted(groups.items()):
        members.sort(key=lambda reading: (reading.at, UUID(bytes=reading.id)))
        good = [reading for reading in members if reading.id not in wrong]
        bad = [reading for reading in members if reading.id in wrong]
        values = [reading.value for reading in good]
        found.append(
            {
                span: start,
                "peripheral_id": peripheral_id,
                "quantity_type_id": quantity_type_id,
                "count": len(values),
                "minimum": min(values, default=None),
                "maximum": max(values, default=None),
                "sum": sum(values),
                "first_at": good[0].at if good else None,
                "first_value": values[0] if good else None,
                "last_at": good[-1].at if good else None,
                "last_value": values[-1] if good else None,
                "implausible": len(bad),
                "last_implausible_at": bad[-1].at if bad else None,
                "last_implausible_value": bad[-1].value if bad else None,
            }
            | ({"sealed": False} if span == "hour" else {})
        )
    return found


def plain_points(readings: list[Reading], names: set[int], points: Points) -> dict[str, Any]:
    """Return the columns that a chart of these peripherals' temperature must have, computed the plain way."""
    of_series = sorted(
        (
            reading
            for reading in {reading.id: reading for reading in readings}.values()
            if reading.peripheral in names
            and reading.quantity_type == TEMPERATURE
            and points.span.start <= reading.at < points.span.end
        ),
        key=lambda reading: (reading.at, UUID(bytes=reading.id)),
    )
    wrong = implausible_ids(readings)
    good = [reading for reading in of_series if reading.id not in wrong]
    bad = [reading for reading in of_series if reading.id in wrong]
    if points.width_seconds is None:
        return {
            "time_ms": [round(reading.at.timestamp() * 1000) for reading in good],
            "mean": [reading.value for reading in good],
            "implausible_time_ms": [round(reading.at.timestamp() * 1000) for reading in bad],
            "implausible_value": [reading.value for reading in bad],
        }
    buckets, wrong_buckets = _buckets(good, points), _buckets(bad, points)
    return {
        "time_ms": list(buckets),
        "mean": [sum(values) / len(values) for values in buckets.values()],
        "minimum": [min(values) for values in buckets.values()],
        "maximum": [max(values) for values in buckets.values()],
        "count": [len(values) for values in buckets.values()],
        "implausible_time_ms": list(wrong_buckets),
        "implausible_count": [len(values) for values in wrong_buckets.values()],
    }


def _buckets(readings: list[Reading], points: Points) -> dict[int, list[float]]:
    """Return the values by the start of their bucket in a chart."""
    assert points.width_seconds is not None
    buckets: dict[int, list[float]] = {}
    for reading in readings:
        width_ms = points.width_seconds * 1000
        at_ms = round(reading.at.timestamp() * 1000)
        # Aligned to the epoch, as is the start of the span, but a single bucket begins where its span does.
        start_ms = round(points.span.start.timestamp() * 1000)
        buckets.setdefault(at_ms - (at_ms - start_ms) % width_ms, []).append(reading.value)
    return buckets


def columns_of(points: Points) -> dict[str, Any]:
    """Return the columns that these points have."""
    names = (
        *("time_ms", "mean", "minimum", "maximum", "count"),
        *("implausible_time_ms", "implausible_value", "implausible_count"),
    )
    return {name: column for name in names if (column := getattr(points, name)) is not None}
