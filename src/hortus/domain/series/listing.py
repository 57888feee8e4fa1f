"""Listing all series of a kit with their last readings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import DateTime, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.series.freshness import Freshness, freshness, measurement_interval_seconds
from hortus.domain.series.store import SeriesQuantity, quantity_in


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedSeries:
    """A series of a kit. `active_peripheral_id` is its peripheral in the active configuration, if any."""

    id: int
    peripheral_name: str
    active_peripheral_id: int | None
    quantity_type: SeriesQuantity
    interval_seconds: float
    last_at: datetime | None
    last_value: float | None

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
    rows = await connection.execute(_LIST, {"kit_id": kit_id, "now": now})
    return [
        ListedSeries(
            id=row["id"],
            peripheral_name=row["peripheral_name"],
            active_peripheral_id=row["active_peripheral_id"],
            quantity_type=quantity_in(row),
            interval_seconds=measurement_interval_seconds(row["interval"]),
            last_at=row["last_at"],
            last_value=row["last_value"],
        )
        for row in rows.mappings()
    ]


# Finding the last rolled-up hour of each peripheral and quantity is one index lookup. Hours that are not rolled
# up yet, normally only the current one, are read. Readings from the future are ignored, so that they cannot
# become the latest (P8); a rollup of the current hour may contain some, so that hour is always read.
_LIST = text(
    """
    WITH of_kit AS MATERIALIZED (
        SELECT s.id, s.peripheral_name, s.quantity_type_id, p.id AS peripheral_id
        FROM series s
        JOIN peripherals p ON p.kit_id = s.kit_id AND p.name = s.peripheral_name AND p.deleted_at IS NULL
        WHERE s.kit_id = :kit_id
    ), touched AS MATERIALIZED (
        SELECT hour FROM series_touched_hours WHERE kit_id = :kit_id AND hour <= :now
        UNION SELECT date_trunc('hour', CAST(:now AS timestamptz), 'UTC')
    ), newest AS (
        SELECT o.id, h.last_at, h.last_value
        FROM of_kit o
        CROSS JOIN LATERAL (
            SELECT last_at, last_value FROM series_hours h
            WHERE h.peripheral_id = o.peripheral_id AND h.quantity_type_id = o.quantity_type_id
              AND h.hour <= :now AND h.last_at <= :now
            ORDER BY h.hour DESC, h.last_at DESC LIMIT 1
        ) h
        UNION ALL
        SELECT o.id, r.datetime, r.value
        FROM touched t
        CROSS JOIN LATERAL (
            SELECT DISTINCT ON (peripheral_id, quantity_type_id)
                   peripheral_id, quantity_type_id, datetime, value
            FROM raw_measurements
            WHERE kit_id = :kit_id
              AND datetime >= t.hour AND datetime < t.hour + interval '1 hour' AND datetime <= :now
            ORDER BY peripheral_id, quantity_type_id, datetime DESC, id DESC
        ) r
        JOIN of_kit o ON o.peripheral_id = r.peripheral_id AND o.quantity_type_id = r.quantity_type_id
    ), last AS (
        SELECT DISTINCT ON (id) id, last_at, last_value FROM newest ORDER BY id, last_at DESC
    ), active AS (
        SELECT p.id, p.name, p.configuration #>> '{intervals,measurementInterval}' AS interval
        FROM peripherals p
        JOIN kit_configurations c ON c.id = p.kit_configuration_id AND c.active
        WHERE p.kit_id = :kit_id
    )
    SELECT o.id, o.peripheral_name, a.id AS active_peripheral_id, a.interval,
           o.quantity_type_id, q.physical_quantity, q.physical_unit, q.physical_unit_symbol,
           l.last_at, l.last_value
    FROM (SELECT DISTINCT id, peripheral_name, quantity_type_id FROM of_kit) AS o
    JOIN quantity_types q ON q.id = o.quantity_type_id
    LEFT JOIN last l ON l.id = o.id
    LEFT JOIN active a ON a.name = o.peripheral_name
    ORDER BY o.peripheral_name, o.quantity_type_id
    """
).bindparams(bindparam("now", type_=DateTime(timezone=True)))
