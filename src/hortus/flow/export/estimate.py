"""How many rows and bytes an export will have, without reading a single reading.

Rows are counted by the rollups, per peripheral and quantity: whole days, and hours at the ends. Hours that are
not rolled up yet are counted by the ledger, which knows the hour of arrival; that is the same hour unless the
kit sent late. Aggregates have no rollups, so the ledger counts them all.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import DateTime, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.kits.deleted_configurations import not_deleted
from hortus.flow.export.row_sizes import SeriesRows, bytes_of_aggregates, bytes_of_archive, bytes_of_readings
from hortus.flow.export.selection import Data
from hortus.flow.ingest.messages import Stream

ARCHIVE = "zip"
"""The form of an estimate for the archive, beside the formats of one kind of data."""

_EVER = (datetime(1900, 1, 1, tzinfo=UTC), datetime(2300, 1, 1, tzinfo=UTC))
_DAY = timedelta(days=1)
_MOST_HOURS_NOT_ROLLED_UP = 800


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportEstimate:
    """About how many rows and bytes an export has."""

    rows: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class _Span:
    """A range of time, and the whole days (UTC) inside it: those from `first_day` to before `last_day`."""

    start: datetime
    end: datetime
    first_day: datetime
    last_day: datetime

    @classmethod
    def of(cls, start: datetime | None, end: datetime | None) -> _Span:
        start, end = max(start or _EVER[0], _EVER[0]), min(end or _EVER[1], _EVER[1])
        first, last = _day_of(start), _day_of(end)
        if first < start:
            first += _DAY
        return cls(start, end, first, last) if first < last else cls(start, end, end, end)


def _day_of(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


async def estimate_export(
    connection: AsyncConnection,
    kit_id: int,
    form: str,
    data: Data,
    start: datetime | None,
    end: datetime | None,
) -> ExportEstimate:
    """Return about how large an export of one kind of data is, or with the form ARCHIVE, the archive."""
    span = _Span.of(start, end)
    if form == ARCHIVE:
        series = await _readings(connection, kit_id, span)
        readings = round(sum(each.rows for each in series))
        aggregates = await _arrived(connection, kit_id, Stream.AGGREGATE, span)
        media = await connection.scalar(_MEDIA, {"kit_id": kit_id, "start": span.start, "end": span.end}) or 0
        return ExportEstimate(
            rows=readings + aggregates + media, size_bytes=bytes_of_archive(series, aggregates, media)
        )
    if data is Data.AGGREGATE:
        aggregates = await _arrived(connection, kit_id, Stream.AGGREGATE, span)
        return ExportEstimate(rows=aggregates, size_bytes=bytes_of_aggregates(aggregates, form))
    series = await _readings(connection, kit_id, span)
    return ExportEstimate(
        rows=round(sum(each.rows for each in series)), size_bytes=bytes_of_readings(series, form)
    )


async def _readings(connection: AsyncConnection, kit_id: int, span: _Span) -> list[SeriesRows]:
    parameters = {
        "kit_id": kit_id,
        "start": span.start,
        "end": span.end,
        "first_day": span.first_day,
        "last_day": span.last_day,
        "most_hours": _MOST_HOURS_NOT_ROLLED_UP,
    }
    series = [
        SeriesRows(**(dict(row) | {"rows": float(row["rows"])}))
        for row in (await connection.execute(_ROLLED_UP, parameters)).mappings()
    ]
    more: int = await connection.scalar(_NOT_ROLLED_UP, parameters) or 0
    return [*series, SeriesRows(rows=more)] if more else series


async def _arrived(connection: AsyncConnection, kit_id: int, stream: Stream, span: _Span) -> int:
    parameters = {"kit_id": kit_id, "stream": str(stream), "start": span.start, "end": span.end}
    return await connection.scalar(_ARRIVED, parameters) or 0


_TIMES = [bindparam(name, type_=DateTime(timezone=True)) for name in ("start", "end")]
_DAYS = [bindparam(name, type_=DateTime(timezone=True)) for name in ("first_day", "last_day")]

# Months whose rows were dropped still have their rollups; each month that is there is a partition.
_ROLLED_UP = text(
    f"""
    WITH months AS (
        SELECT to_date(right(c.relname, 7), 'YYYY"m"MM')::timestamp AT TIME ZONE 'UTC' AS start
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'raw_measurements'::regclass
    ), pairs AS (
        SELECT DISTINCT p.id, p.name, p.kit_configuration_id, d.quantity_type_id
        FROM peripherals p JOIN series_days d ON d.peripheral_id = p.id
        WHERE p.kit_id = :kit_id AND p.deleted_at IS NULL
          AND {not_deleted("p.kit_configuration_id", "p.kit_id")}
    ), counted AS (
        SELECT p.id, p.quantity_type_id, d.day AS at, (d.count + d.implausible)::float8 AS rows, d.last_value
        FROM pairs p JOIN series_days d ON d.peripheral_id = p.id AND d.quantity_type_id = p.quantity_type_id
        WHERE d.day >= :first_day AND d.day < :last_day
        UNION ALL
        SELECT p.id, p.quantity_type_id, h.hour,
            (h.count + h.implausible) * coalesce(
                greatest(0, extract(epoch FROM least(h.last_at, :end) - greatest(h.first_at, :start)))
                    / nullif(extract(epoch FROM h.last_at - h.first_at), 0),
                (h.first_at >= :start AND h.first_at < :end)::int,
                extract(epoch FROM least(h.hour + interval '1 hour', :end) - greatest(h.hour, :start)) / 3600),
            h.last_value
        FROM pairs p
        CROSS JOIN (VALUES (CAST(:start AS timestamptz), CAST(:first_day AS timestamptz)),
                           (CAST(:last_day AS timestamptz), CAST(:end AS timestamptz))) AS ends (start, until)
        JOIN series_hours h ON h.peripheral_id = p.id AND h.quantity_type_id = p.quantity_type_id
            AND h.hour >= date_bin('1 hour', ends.start, 'epoch') AND h.hour < ends.until AND NOT h.sealed
        WHERE ends.start < ends.until
    )
    SELECT sum(c.rows) AS rows, p.id AS peripheral_id, p.name AS peripheral_name,
        p.kit_configuration_id AS configuration_id, p.quantity_type_id,
        q.physical_quantity, q.physical_unit, max(c.last_value) AS value
    FROM counted c
    JOIN months m ON c.at >= m.start AND c.at < m.start + interval '1 month'
    JOIN pairs p ON p.id = c.id AND p.quantity_type_id = c.quantity_type_id
    LEFT JOIN quantity_types q ON q.id = p.quantity_type_id
    GROUP BY p.id, p.name, p.kit_configuration_id, p.quantity_type_id, q.physical_quantity, q.physical_unit
    """  # noqa: S608  (our own constants)
).bindparams(*_TIMES, *_DAYS)

# Newest first, skipping from one hour to the next in the index: each may be noted thousands of times.
_NOT_ROLLED_UP = text(
    """
    WITH RECURSIVE due (hour) AS (
        SELECT max(hour) FROM series_touched_hours
        WHERE kit_id = :kit_id AND hour >= :start AND hour < :end
        UNION ALL
        SELECT (SELECT max(t.hour) FROM series_touched_hours t
                WHERE t.kit_id = :kit_id AND t.hour >= :start AND t.hour < due.hour)
        FROM due WHERE due.hour IS NOT NULL
    ), hours AS MATERIALIZED (SELECT hour FROM due WHERE hour IS NOT NULL LIMIT :most_hours)
    SELECT sum(greatest(0, l.stored - coalesce(rolled.rows, 0)))::bigint
    FROM hours
    JOIN ingest_ledger l ON l.kit_id = :kit_id AND l.hour = hours.hour AND l.stream = 'raw'
    LEFT JOIN LATERAL (
        SELECT sum(h.count + h.implausible) AS rows FROM peripherals p
        JOIN series_hours h ON h.peripheral_id = p.id AND h.hour = hours.hour
        WHERE p.kit_id = :kit_id
    ) rolled ON true
    """
).bindparams(*_TIMES)

_ARRIVED = text(
    """
    SELECT sum(stored)::bigint FROM ingest_ledger
    WHERE kit_id = :kit_id AND stream = :stream AND hour >= :start AND hour < :end
    """
).bindparams(*_TIMES)
_MEDIA = text(
    "SELECT count(*) FROM media WHERE kit_id = :kit_id AND datetime >= :start AND datetime < :end"
).bindparams(*_TIMES)
