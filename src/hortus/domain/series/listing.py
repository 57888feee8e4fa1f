"""Listing all series of a kit with their last readings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import DateTime, bindparam, text
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.plausibility.fragments import (
    COLUMNS_OF_DOUBT,
    ON_LIMITS,
    VERDICT,
    is_plausible,
    limits_where,
    supported_hours,
)
from hortus.domain.plausibility.limits import SeriesOfPeripheral, limits_of_peripherals
from hortus.domain.plausibility.rules import UNLIMITED, ImplausibleReading, Limits, implausible_reading
from hortus.domain.series.freshness import Freshness, freshness, measurement_interval_seconds
from hortus.domain.series.store import SeriesQuantity, quantity_in


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedSeries:
    """A series of a kit. `active_peripheral_id` is its peripheral in the active configuration, if any.

    The last reading is the last plausible one. `implausible` is a later one that is not: the sensor is faulty.
    """

    id: int
    peripheral_name: str
    active_peripheral_id: int | None
    quantity_type: SeriesQuantity
    interval_seconds: float
    last_at: datetime | None
    last_value: float | None
    implausible: ImplausibleReading | None = None

    def age_seconds(self, now: datetime) -> float | None:
        """Return the age of the last reading; None without one."""
        return None if self.last_at is None else max(0.0, (now - self.last_at).total_seconds())

    def freshness(self, now: datetime) -> Freshness:
        """Return the freshness by the age of the last reading."""
        return freshness(self.age_seconds(now), self.interval_seconds)


async def list_series(connection: AsyncConnection, kit_id: int, now: datetime) -> Sequence[ListedSeries]:
    """Return the kit's series ordered by name, with their last readings, ignoring readings from the future.

    A series is listed while any configuration has a peripheral of its name.
    """
    rows = (await connection.execute(_LIST, {"kit_id": kit_id, "now": now})).mappings().all()
    implausible = {row["wrong_peripheral_id"] for row in rows if row["wrong_at"] is not None}
    limits = await limits_of_peripherals(connection, implausible) if implausible else {}
    return [
        ListedSeries(
            id=row["id"],
            peripheral_name=row["peripheral_name"],
            active_peripheral_id=row["active_peripheral_id"],
            quantity_type=quantity_in(row),
            interval_seconds=measurement_interval_seconds(row["interval"]),
            last_at=row["last_at"],
            last_value=row["last_value"],
            implausible=_implausible(row, limits),
        )
        for row in rows
    ]


def _implausible(row: RowMapping, limits: Mapping[SeriesOfPeripheral, Limits]) -> ImplausibleReading | None:
    if row["wrong_at"] is None:
        return None
    return implausible_reading(
        limits.get((row["wrong_peripheral_id"], row["quantity_type_id"]), UNLIMITED),
        value=row["wrong_value"],
        at=row["wrong_at"],
        quantity=row["physical_quantity"],
        unit=row["physical_unit_symbol"] or row["physical_unit"],
    )


# Finding the last rolled-up hour of each peripheral and quantity is one index lookup. Hours that are not rolled
# up yet, normally only the current one, are read. Readings from the future are ignored, so that they cannot
# become the latest (P8); a rollup of the current hour may contain some, so that hour is always read. Later
# implausible readings are sought only after the last plausible one: before it, there may be years without any.
_LIST = text(
    f"""
    WITH {limits_where("p.kit_id = :kit_id")}, of_kit AS MATERIALIZED (
        SELECT s.id, s.peripheral_name, s.quantity_type_id, p.id AS peripheral_id
        FROM series s
        JOIN peripherals p ON p.kit_id = s.kit_id AND p.name = s.peripheral_name AND p.deleted_at IS NULL
        WHERE s.kit_id = :kit_id
    ), touched AS MATERIALIZED (
        SELECT hour FROM series_touched_hours WHERE kit_id = :kit_id AND hour <= :now
        UNION SELECT date_trunc('hour', CAST(:now AS timestamptz), 'UTC')
    ), found AS MATERIALIZED (
        SELECT r.*
        FROM touched t
        CROSS JOIN LATERAL (
            SELECT DISTINCT ON (m.peripheral_id, m.quantity_type_id, verdict)
                   {COLUMNS_OF_DOUBT}, m.datetime, m.value, {VERDICT} AS verdict
            FROM raw_measurements m LEFT JOIN limits l {ON_LIMITS}
            WHERE m.kit_id = :kit_id AND m.datetime >= t.hour
              AND m.datetime < t.hour + interval '1 hour' AND m.datetime <= :now
            ORDER BY m.peripheral_id, m.quantity_type_id, verdict, m.datetime DESC, m.id DESC
        ) r
    ), {supported_hours("found")}, judged AS MATERIALIZED (
        SELECT o.id, f.peripheral_id, f.datetime, f.value, {is_plausible("f")} AS plausible
        FROM found f
        JOIN of_kit o ON o.peripheral_id = f.peripheral_id AND o.quantity_type_id = f.quantity_type_id
    ), newest AS (
        SELECT o.id, h.last_at, h.last_value
        FROM of_kit o
        CROSS JOIN LATERAL (
            SELECT last_at, last_value FROM series_hours h
            WHERE h.peripheral_id = o.peripheral_id AND h.quantity_type_id = o.quantity_type_id
              AND h.hour <= :now AND h.last_at <= :now
              AND (h.sealed OR h.hour NOT IN (SELECT hour FROM touched))
            ORDER BY h.hour DESC, h.last_at DESC LIMIT 1
        ) h
        UNION ALL
        SELECT id, datetime, value FROM judged WHERE plausible
    ), last AS MATERIALIZED (
        SELECT DISTINCT ON (id) id, last_at, last_value FROM newest ORDER BY id, last_at DESC
    ), wrong AS (
        SELECT o.id, o.peripheral_id, h.last_implausible_at AS at, h.last_implausible_value AS value
        FROM of_kit o
        LEFT JOIN last l ON l.id = o.id
        CROSS JOIN LATERAL (
            SELECT last_implausible_at, last_implausible_value FROM series_hours h
            WHERE h.peripheral_id = o.peripheral_id AND h.quantity_type_id = o.quantity_type_id
              AND h.hour >= coalesce(date_bin('1 hour', l.last_at, 'epoch'), '-infinity') AND h.hour <= :now
              AND h.last_implausible_at <= :now AND (h.sealed OR h.hour NOT IN (SELECT hour FROM touched))
            ORDER BY h.hour DESC LIMIT 1
        ) h
        UNION ALL
        SELECT id, peripheral_id, datetime, value FROM judged WHERE NOT plausible
    ), last_wrong AS (
        SELECT DISTINCT ON (id) id, peripheral_id, at, value FROM wrong ORDER BY id, at DESC
    ), active AS (
        SELECT p.id, p.name, p.configuration #>> '{{intervals,measurementInterval}}' AS interval
        FROM peripherals p
        JOIN kit_configurations c ON c.id = p.kit_configuration_id AND c.active
        WHERE p.kit_id = :kit_id
    )
    SELECT o.id, o.peripheral_name, a.id AS active_peripheral_id, a.interval,
           o.quantity_type_id, q.physical_quantity, q.physical_unit, q.physical_unit_symbol,
           l.last_at, l.last_value,
           w.at AS wrong_at, w.value AS wrong_value, w.peripheral_id AS wrong_peripheral_id
    FROM (SELECT DISTINCT id, peripheral_name, quantity_type_id FROM of_kit) AS o
    JOIN quantity_types q ON q.id = o.quantity_type_id
    LEFT JOIN last l ON l.id = o.id
    LEFT JOIN last_wrong w ON w.id = o.id AND w.at > coalesce(l.last_at, '-infinity')
    LEFT JOIN active a ON a.name = o.peripheral_name
    ORDER BY o.peripheral_name, o.quantity_type_id
    """  # noqa: S608  (our own constants)
).bindparams(bindparam("now", type_=DateTime(timezone=True)))
