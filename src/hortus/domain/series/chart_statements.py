"""The statements that read the points of a chart (see hortus.domain.series.chart_store)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ARRAY, DateTime, Integer, Interval, String, TextClause, bindparam, text
from sqlalchemy.types import TypeEngine

from hortus.domain.plausibility.fragments import (
    ON_LIMITS,
    is_plausible_in,
    limits_where,
    supported_of_hours,
)
from hortus.domain.series.charts import ChartSource
from hortus.domain.series.figures import SUMMAND

_LIMITS = limits_where("p.id = ANY(s.peripheral_ids) AND l.quantity_type_id = s.quantity_type_id")


def _fresh(part: str, further_hours: str = "") -> str:
    """Return the hours to which readings were added since they were rolled up, with figures from the readings.

    `part` tells readings of one hour apart that belong to different buckets.
    """
    return f"""
{_LIMITS}, touched AS MATERIALIZED (
    SELECT DISTINCT hour FROM series_touched_hours WHERE kit_id = :kit_id AND hour >= :start AND hour < :end
    {further_hours}
), {supported_of_hours("touched")}, fresh AS MATERIALIZED (
    SELECT t.hour, r.*
    FROM touched t
    CROSS JOIN LATERAL (
        SELECT peripheral_id, part, min(value) FILTER (WHERE plausible) AS minimum,
               max(value) FILTER (WHERE plausible) AS maximum,
               coalesce(sum({SUMMAND}) FILTER (WHERE plausible), 0) AS sum,
               count(*) FILTER (WHERE plausible) AS count, count(*) FILTER (WHERE NOT plausible) AS implausible
        FROM (
            SELECT m.peripheral_id, m.value, {part} AS part, {is_plausible_in("t.hour")} AS plausible
            FROM raw_measurements m LEFT JOIN limits l {ON_LIMITS}
            WHERE m.kit_id = :kit_id AND m.datetime >= t.hour AND m.datetime < t.hour + interval '1 hour'
              AND m.peripheral_id = ANY(s.peripheral_ids) AND m.quantity_type_id = s.quantity_type_id
            OFFSET 0  -- judges each reading once, not once for each figure
        ) AS m
        GROUP BY peripheral_id, part
    ) r
)
"""  # noqa: S608  (our own constants)


_OF_SERIES = "h.peripheral_id = ANY(s.peripheral_ids) AND h.quantity_type_id = s.quantity_type_id"

# The rollup of a touched hour is superseded by its readings, unless there are fewer of them than were rolled
# up: then rows were dropped to make room (see hortus.domain.series.rollups).
_STILL_VALID = """
(h.sealed OR h.hour NOT IN (SELECT hour FROM touched) OR h.count + h.implausible > coalesce(
    (SELECT sum(f.count + f.implausible) FROM fresh f
     WHERE f.hour = h.hour AND f.peripheral_id = h.peripheral_id), -1
))
"""

_HOURS = f"""
{_fresh("0")}, pieces AS (
    SELECT h.hour AS at, h.minimum, h.maximum, h.sum, h.count, h.implausible
    FROM series_hours h
    WHERE {_OF_SERIES} AND h.hour >= :start AND h.hour < :end AND {_STILL_VALID}
    UNION ALL
    SELECT hour, minimum, maximum, sum, count, implausible FROM fresh
)
"""  # noqa: S608  (our own constants)

# Whole UTC days, but hours of those that are cut by the beginning of a bucket or hold touched hours. `bucket`
# is the number of the edge with which it begins, from 1 on; what lies before the first one has 0.
_DAYS = f"""
{_fresh("width_bucket(m.datetime, :edges)", "UNION SELECT unnest(:split_hours)")},
days_by_hour AS MATERIALIZED (
    SELECT date_bin('1 day', hour, 'epoch') AS day FROM touched UNION SELECT unnest(:split_days)
), pieces AS (
    SELECT width_bucket(h.day, :edges) AS bucket, h.minimum, h.maximum, h.sum, h.count, h.implausible
    FROM series_days h
    WHERE {_OF_SERIES} AND h.day >= :start AND h.day < :end AND h.day NOT IN (SELECT day FROM days_by_hour)
    UNION ALL
    SELECT width_bucket(h.hour, :edges), h.minimum, h.maximum, h.sum, h.count, h.implausible
    FROM days_by_hour d
    CROSS JOIN LATERAL (
        SELECT * FROM series_hours h
        WHERE {_OF_SERIES} AND h.hour >= d.day AND h.hour < d.day + interval '24 hours' AND {_STILL_VALID}
        OFFSET 0  -- or the planner compares all hours with all days
    ) h
    UNION ALL
    SELECT part, minimum, maximum, sum, count, implausible FROM fresh
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
def _in_buckets(key: str, start: str, condition: str = "true") -> str:
    """Return the statement that adds up pieces by the key of their bucket; `start` is when that begins."""
    return f"""
SELECT coalesce(array_agg(time_ms) FILTER (WHERE count > 0), '{{}}') AS time_ms,
       coalesce(array_agg(mean) FILTER (WHERE count > 0), '{{}}') AS mean,
       coalesce(array_agg(minimum) FILTER (WHERE count > 0), '{{}}') AS minimum,
       coalesce(array_agg(maximum) FILTER (WHERE count > 0), '{{}}') AS maximum,
       coalesce(array_agg(count) FILTER (WHERE count > 0), '{{}}') AS count,
       coalesce(array_agg(time_ms) FILTER (WHERE implausible > 0), '{{}}') AS implausible_time_ms,
       coalesce(array_agg(implausible) FILTER (WHERE implausible > 0), '{{}}') AS implausible
FROM (
    SELECT (extract(epoch FROM {start}) * 1000)::bigint AS time_ms, mean, minimum, maximum, count, implausible
    FROM (
        SELECT {key} AS key, sum(sum) / nullif(sum(count), 0) AS mean,
               min(minimum) AS minimum, max(maximum) AS maximum, sum(count)::bigint AS count,
               sum(implausible)::bigint AS implausible
        FROM pieces GROUP BY 1
        OFFSET 0  -- or the planner works out the key of each piece twice
    ) AS buckets
    WHERE {condition}
    ORDER BY key
) AS points
"""  # noqa: S608  (our own constants)


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
_OF_WIDTH: dict[str, TypeEngine[Any]] = {"width": Interval(), "origin": _MOMENT}
_OF_DAYS: dict[str, TypeEngine[Any]] = dict.fromkeys(("edges", "split_days", "split_hours"), ARRAY(_MOMENT))


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


_EQUAL = _in_buckets("date_bin(:width, at, :origin)", "key")
BUCKETS = {
    ChartSource.RAW: _statement(_PIECES_OF_READINGS, _EQUAL, **_OF_WIDTH),
    ChartSource.HOUR: _statement(_HOURS, _EQUAL, **_OF_WIDTH),
    ChartSource.DAY: _statement(
        _DAYS,
        _in_buckets("bucket", "(:edges)[key]", "key BETWEEN 1 AND cardinality(:edges) - 1"),
        **_OF_DAYS,
    ),
}
COUNT = _statement(_HOURS, _COUNTED, inner_start=_MOMENT, inner_end=_MOMENT)
READINGS = _statement(_READINGS_IN_SPAN, _SINGLE, most=Integer())
SERIES_OF_KIT = text("SELECT count(*) FROM series WHERE kit_id = :kit_id")
