"""The points of a chart, from the database.

Rollups may lag behind: an hour that was touched since it was rolled up is computed from its readings instead,
in the same statement and so from the same snapshot. A chart is correct whether or not rollups are up to date.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import ARRAY, DateTime, Integer, Interval, RowMapping, String, TextClause, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from hortus.domain.plausibility.fragments import (
    ON_LIMITS,
    is_plausible_in,
    limits_where,
    supported_of_hours,
)
from hortus.domain.series.charts import (
    Buckets,
    ChartSource,
    Span,
    finest_of_readings,
    finest_rolled_up,
    may_be_read_raw,
)
from hortus.domain.series.figures import SUMMAND
from hortus.domain.series.store import Series


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """Columns of equal length, in chronological order. Times are in milliseconds since the epoch.

    For single readings (`width_seconds` is None) there are only times and values; `mean` holds the values.
    Implausible readings are apart, as columns of their own: values if they are single, else counts by bucket.
    """

    source: ChartSource
    width_seconds: int | None
    span: Span
    time_ms: list[int]
    mean: list[float]
    minimum: list[float] | None = None
    maximum: list[float] | None = None
    count: list[int] | None = None
    implausible_time_ms: list[int] = field(default_factory=list)
    implausible_value: list[float] | None = None
    implausible_count: list[int] | None = None

    @property
    def readings(self) -> int:
        """The number of readings that these points are made of."""
        single = len(self.time_ms) + len(self.implausible_time_ms)
        return single if self.count is None else sum(self.count) + sum(self.implausible_count or ())


@dataclass(frozen=True, slots=True)
class _Counted:
    """The number of a series' readings in the hours that touch a span, and in those that lie inside it."""

    touching: int
    inside: int


async def chart(connection: AsyncConnection, series: Series, span: Span, points: int) -> Points:
    """Return at most `points` points: the readings themselves if there are few, else the narrowest buckets.

    Empty buckets are omitted. Buckets are whole: the first may start before the span.
    """
    return (await charts(connection, [series], span, points))[0]


async def charts(
    connection: AsyncConnection, series: Sequence[Series], span: Span, points: int
) -> list[Points]:
    """Return the points of each of these series of one kit, as `chart` does, in a few statements for all."""
    found: dict[int, Points] = {}
    if series and may_be_read_raw(span, points):
        found = await _from_readings(connection, series, span, points)
    rest = [each for each in series if each.id not in found]
    if rest:
        found |= await _bucketed(connection, rest, span, finest_rolled_up(span, points))
    return [found[each.id] for each in series]


async def _from_readings(
    connection: AsyncConnection, series: Sequence[Series], span: Span, points: int
) -> dict[int, Points]:
    """Return single readings or buckets of less than an hour where rollups are not better, or all there is.

    The result is keyed by the series' ids.
    """
    counted = await _count(connection, series, span)
    few = [each for each in series if counted[each.id].inside <= points]
    singles = await _readings(connection, few, span, points + 1)
    # Fewer than were rolled up: rows were dropped to make room, and only the rollups are left.
    dropped = {each.id for each in few if singles[each.id].readings < counted[each.id].inside}
    found = {id_: each for id_, each in singles.items() if each.readings <= points and id_ not in dropped}
    series_of_kit = await _series_of_kit(connection, series[0])
    groups: dict[Buckets, list[Series]] = {}
    for each in series:
        if each.id in found or each.id in dropped:
            continue
        buckets = finest_of_readings(span, points, counted[each.id].touching, series_of_kit)
        if buckets is not None:
            groups.setdefault(buckets, []).append(each)
    for buckets, members in groups.items():
        made = await _bucketed(connection, members, span, buckets)
        found |= {id_: each for id_, each in made.items() if each.readings >= counted[id_].inside}
    return found


async def _count(connection: AsyncConnection, series: Sequence[Series], span: Span) -> dict[int, _Counted]:
    hours = span.widened(3600)
    parameters = {**_parameters(series, hours), "inner_start": span.start, "inner_end": span.end}
    rows = (await connection.execute(_COUNT, parameters)).all()
    return {row.series_id: _Counted(int(row.touching), int(row.inside)) for row in rows}


async def _series_of_kit(connection: AsyncConnection, series: Series) -> int:
    return int(await connection.scalar(_SERIES_OF_KIT, {"kit_id": series.kit_id}) or 0)


async def _readings(
    connection: AsyncConnection, series: Sequence[Series], span: Span, most: int
) -> dict[int, Points]:
    if not series:
        return {}
    rows = (await connection.execute(_READINGS, {**_parameters(series, span), "most": most})).all()
    return {
        row.series_id: Points(
            source=ChartSource.RAW,
            width_seconds=None,
            span=span,
            time_ms=row.time_ms,
            mean=row.value,
            implausible_time_ms=row.implausible_time_ms,
            implausible_value=row.implausible_value,
        )
        for row in rows
    }


async def _bucketed(
    connection: AsyncConnection, series: Sequence[Series], span: Span, buckets: Buckets
) -> dict[int, Points]:
    whole = buckets.covering(span)
    parameters = {
        **_parameters(series, whole),
        "width": timedelta(seconds=buckets.width_seconds),
        "origin": buckets.origin,
    }
    rows = (await connection.execute(_BUCKETS[buckets.source], parameters)).mappings()
    return {row["series_id"]: _points(row, whole, buckets) for row in rows}


def _points(row: RowMapping, whole: Span, buckets: Buckets) -> Points:
    return Points(
        source=buckets.source,
        width_seconds=buckets.width_seconds,
        span=whole,
        time_ms=row["time_ms"],
        mean=row["mean"],
        minimum=row["minimum"],
        maximum=row["maximum"],
        count=row["count"],
        implausible_time_ms=row["implausible_time_ms"],
        implausible_count=row["implausible"],
    )


def _parameters(series: Sequence[Series], span: Span) -> dict[str, Any]:
    return {
        "kit_id": series[0].kit_id,
        "series_ids": [each.id for each in series],
        "quantity_type_ids": [each.quantity_type.id for each in series],
        # PostgreSQL has no arrays of arrays of different lengths.
        "peripherals": [f"{{{','.join(map(str, each.peripheral_ids))}}}" for each in series],
        "start": span.start,
        "end": span.end,
    }


_LIMITS = limits_where("p.id = ANY(s.peripheral_ids) AND l.quantity_type_id = s.quantity_type_id")

# The hours to which readings were added since they were rolled up, and their figures from the readings.
_FRESH = f"""
{_LIMITS}, touched AS MATERIALIZED (
    SELECT DISTINCT hour FROM series_touched_hours WHERE kit_id = :kit_id AND hour >= :start AND hour < :end
), {supported_of_hours("touched")}, fresh AS MATERIALIZED (
    SELECT t.hour, r.*
    FROM touched t
    CROSS JOIN LATERAL (
        SELECT peripheral_id, min(value) FILTER (WHERE plausible) AS minimum,
               max(value) FILTER (WHERE plausible) AS maximum,
               coalesce(sum({SUMMAND}) FILTER (WHERE plausible), 0) AS sum,
               count(*) FILTER (WHERE plausible) AS count, count(*) FILTER (WHERE NOT plausible) AS implausible
        FROM (
            SELECT m.peripheral_id, m.value, {is_plausible_in("t.hour")} AS plausible
            FROM raw_measurements m LEFT JOIN limits l {ON_LIMITS}
            WHERE m.kit_id = :kit_id AND m.datetime >= t.hour AND m.datetime < t.hour + interval '1 hour'
              AND m.peripheral_id = ANY(s.peripheral_ids) AND m.quantity_type_id = s.quantity_type_id
            OFFSET 0  -- judges each reading once, not once for each figure
        ) AS m
        GROUP BY peripheral_id
    ) r
)
"""  # noqa: S608  (our own constants)

_OF_SERIES = "h.peripheral_id = ANY(s.peripheral_ids) AND h.quantity_type_id = s.quantity_type_id"

# The rollup of a touched hour is superseded by its readings, unless there are fewer of them than were rolled
# up: then rows were dropped to make room (see hortus.domain.series.rollups).
_STILL_VALID = """
(h.sealed OR NOT EXISTS (
    SELECT FROM fresh f
                            WHERE f.hour = h.hour AND f.peripheral_id = h.peripheral_id
                            AND f.count + f.implausible >= h.count + h.implausible
))
"""

_HOURS = f"""
{_FRESH}, pieces AS (
    SELECT h.hour AS at, h.minimum, h.maximum, h.sum, h.count, h.implausible
    FROM series_hours h
    WHERE {_OF_SERIES} AND h.hour >= :start AND h.hour < :end AND {_STILL_VALID}
    UNION ALL
    SELECT hour, minimum, maximum, sum, count, implausible FROM fresh
)
"""  # noqa: S608  (our own constants)

_DAYS = f"""
{_FRESH}, touched_days AS MATERIALIZED (
    SELECT DISTINCT date_bin('1 day', hour, 'epoch') AS day FROM touched
), pieces AS (
    SELECT h.day AS at, h.minimum, h.maximum, h.sum, h.count, h.implausible
    FROM series_days h
    WHERE {_OF_SERIES} AND h.day >= :start AND h.day < :end AND h.day NOT IN (SELECT day FROM touched_days)
    UNION ALL
    SELECT h.hour, h.minimum, h.maximum, h.sum, h.count, h.implausible
    FROM touched_days d
    JOIN series_hours h ON h.hour >= d.day AND h.hour < d.day + interval '24 hours'
    WHERE {_OF_SERIES} AND {_STILL_VALID}
    UNION ALL
    SELECT hour, minimum, maximum, sum, count, implausible FROM fresh
)
"""  # noqa: S608  (our own constants)

# Only hours that hold readings of the series are read: the kit's other series may have many more readings.
_READINGS_IN_SPAN = f"""
{_LIMITS}, hours AS MATERIALIZED (
    SELECT hour FROM series_hours h
    WHERE {_OF_SERIES} AND hour >= date_bin('1 hour', :start, 'epoch') AND hour < :end
    UNION
    SELECT hour FROM series_touched_hours
    WHERE kit_id = :kit_id AND hour >= date_bin('1 hour', :start, 'epoch') AND hour < :end
), {supported_of_hours("hours")}, readings AS (
    SELECT r.*
    FROM hours t
    CROSS JOIN LATERAL (
        SELECT m.datetime, m.id, m.value, {is_plausible_in("t.hour")} AS plausible
        FROM raw_measurements m LEFT JOIN limits l {ON_LIMITS}
        WHERE m.kit_id = :kit_id
          AND m.datetime >= greatest(t.hour, :start) AND m.datetime < least(t.hour + interval '1 hour', :end)
          AND m.datetime >= :start AND m.datetime < :end  -- spares the partitions of other months
          AND m.peripheral_id = ANY(s.peripheral_ids) AND m.quantity_type_id = s.quantity_type_id
        OFFSET 0  -- or the planner reads all of the kit's readings and compares each with all hours
    ) r
)
"""  # noqa: S608  (our own constants)

_PIECES_OF_READINGS = f"""
{_READINGS_IN_SPAN}, pieces AS (
    SELECT datetime AS at, CASE WHEN plausible THEN value END AS minimum,
           CASE WHEN plausible THEN value END AS maximum, CASE WHEN plausible THEN {SUMMAND} ELSE 0 END AS sum,
           plausible::int AS count, (NOT plausible)::int AS implausible
    FROM readings
)
"""  # noqa: S608  (our own constants)

# One row of arrays instead of one row per point: several times cheaper to read. The arrays keep the order of
# the rows that they are built from. A bucket without plausible readings is no point.
_IN_BUCKETS = """
SELECT coalesce(array_agg(time_ms) FILTER (WHERE count > 0), '{}') AS time_ms,
       coalesce(array_agg(mean) FILTER (WHERE count > 0), '{}') AS mean,
       coalesce(array_agg(minimum) FILTER (WHERE count > 0), '{}') AS minimum,
       coalesce(array_agg(maximum) FILTER (WHERE count > 0), '{}') AS maximum,
       coalesce(array_agg(count) FILTER (WHERE count > 0), '{}') AS count,
       coalesce(array_agg(time_ms) FILTER (WHERE implausible > 0), '{}') AS implausible_time_ms,
       coalesce(array_agg(implausible) FILTER (WHERE implausible > 0), '{}') AS implausible
FROM (
    SELECT (extract(epoch FROM bucket) * 1000)::bigint AS time_ms, mean, minimum, maximum, count, implausible
    FROM (
        SELECT date_bin(:width, at, :origin) AS bucket, sum(sum) / nullif(sum(count), 0) AS mean,
               min(minimum) AS minimum, max(maximum) AS maximum, sum(count)::bigint AS count,
               sum(implausible)::bigint AS implausible
        FROM pieces GROUP BY bucket
    ) AS buckets
    ORDER BY bucket
) AS points
"""

_COUNTED = """
SELECT coalesce(sum(count), 0)::bigint AS touching,
       coalesce(sum(count) FILTER (WHERE whole), 0)::bigint AS inside
FROM (
    SELECT count + implausible AS count, at >= :inner_start AND at + interval '1 hour' <= :inner_end AS whole
    FROM pieces
) AS hours
"""

_SINGLE = """
SELECT coalesce(array_agg(time_ms) FILTER (WHERE plausible), '{}') AS time_ms,
       coalesce(array_agg(value) FILTER (WHERE plausible), '{}') AS value,
       coalesce(array_agg(time_ms) FILTER (WHERE NOT plausible), '{}') AS implausible_time_ms,
       coalesce(array_agg(value) FILTER (WHERE NOT plausible), '{}') AS implausible_value
FROM (
    SELECT (extract(epoch FROM datetime) * 1000)::bigint AS time_ms, value, plausible
    FROM readings ORDER BY datetime, id LIMIT :most
) AS points
"""

_MOMENT = DateTime(timezone=True)
_TYPES: dict[str, TypeEngine[Any]] = {
    "kit_id": Integer(),
    "series_ids": ARRAY(Integer),
    "peripherals": ARRAY(String),
    "quantity_type_ids": ARRAY(Integer),
    "start": _MOMENT,
    "end": _MOMENT,
}


def _statement(tables: str, select: str, **further: TypeEngine[Any]) -> TextClause:
    """Return a statement with one row per series. Each series is read as if it were the only one."""
    types = _TYPES | further
    return text(
        f"""
        SELECT s.id AS series_id, figures.*
        FROM (
            SELECT id, CAST(peripherals AS integer[]) AS peripheral_ids, quantity_type_id
            FROM unnest(:series_ids, :peripherals, :quantity_type_ids) AS u (id, peripherals, quantity_type_id)
        ) AS s
        CROSS JOIN LATERAL (WITH {tables} {select}) AS figures
        """  # noqa: S608  (our own constants)
    ).bindparams(*(bindparam(name, type_=kind) for name, kind in types.items()))


_BUCKETS = {
    source: _statement(pieces, _IN_BUCKETS, width=Interval(), origin=_MOMENT)
    for source, pieces in (
        (ChartSource.RAW, _PIECES_OF_READINGS),
        (ChartSource.HOUR, _HOURS),
        (ChartSource.DAY, _DAYS),
    )
}
_COUNT = _statement(_HOURS, _COUNTED, inner_start=_MOMENT, inner_end=_MOMENT)
_READINGS = _statement(_READINGS_IN_SPAN, _SINGLE, most=Integer())
_SERIES_OF_KIT = text("SELECT count(*) FROM series WHERE kit_id = :kit_id")
