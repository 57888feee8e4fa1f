"""The first reading of a series, and those next to a span without any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, DateTime, Integer, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.plausibility.fragments import ON_LIMITS, VERDICT, limits_where
from hortus.domain.plausibility.rules import Verdict
from hortus.domain.series.charts import Span
from hortus.domain.series.store import Series


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """The times of the last reading before a span and of the first one after it."""

    before: datetime | None
    after: datetime | None


async def earliest_hour(connection: AsyncConnection, series: Sequence[Series]) -> datetime | None:
    """Return the start of an hour before which none of these series of one kit has a reading."""
    if not series:
        return None
    parameters = {
        "kit_id": series[0].kit_id,
        "peripheral_ids": sorted({id_ for each in series for id_ in each.peripheral_ids}),
        "quantity_type_ids": sorted({each.quantity_type.id for each in series}),
    }
    found: datetime | None = await connection.scalar(_EARLIEST, parameters)
    return found


async def neighbours(connection: AsyncConnection, series: Series, span: Span, now: datetime) -> Neighbours:
    """Return the readings next to a span, ignoring implausible ones and those from the future.

    Hours that are not rolled up yet are looked into only near the span, so that a backlog costs no more.
    """
    parameters: dict[str, Any] = {
        "kit_id": series.kit_id,
        "peripheral_ids": list(series.peripheral_ids),
        "quantity_type_id": series.quantity_type.id,
        "start": span.start,
        "end": span.end,
        "now": now,
    }
    row = (await connection.execute(_NEIGHBOURS, parameters)).one()
    return Neighbours(before=row.before, after=row.after)


_EARLIEST = text(
    """
    SELECT least(
        (SELECT min(h.hour)
         FROM unnest(:peripheral_ids) AS p(id)
         CROSS JOIN unnest(:quantity_type_ids) AS q(id)
         CROSS JOIN LATERAL (
             SELECT hour FROM series_hours
             WHERE peripheral_id = p.id AND quantity_type_id = q.id ORDER BY hour LIMIT 1
         ) h),
        (SELECT min(hour) FROM series_touched_hours WHERE kit_id = :kit_id)
    )
    """
).bindparams(
    bindparam("kit_id", type_=Integer()),
    bindparam("peripheral_ids", type_=ARRAY(Integer)),
    bindparam("quantity_type_ids", type_=ARRAY(Integer)),
)

_OF_SERIES = "peripheral_id = p.id AND quantity_type_id = :quantity_type_id"
_READINGS_OF_SERIES = f"""
    SELECT m.datetime FROM raw_measurements m LEFT JOIN limits l {ON_LIMITS}
    WHERE m.kit_id = :kit_id AND m.peripheral_id = ANY(:peripheral_ids)
      AND m.quantity_type_id = :quantity_type_id AND ({VERDICT}) <> {Verdict.IMPLAUSIBLE:d}
"""  # noqa: S608  (our own constants)

# Hours in which nothing plausible was measured have no first or last reading.
# The hours at the edges of the span are read: their rollups also cover readings inside the span.
_NEIGHBOURS = text(
    f"""
    WITH {limits_where("p.id = ANY(:peripheral_ids)")}, edges AS (
        SELECT date_bin('1 hour', :start, 'epoch') AS first_hour,
               date_bin('1 hour', :end, 'epoch') + interval '1 hour' AS last_hour
    ), hours_before AS MATERIALIZED (
        SELECT DISTINCT hour FROM series_touched_hours, edges
        WHERE kit_id = :kit_id AND hour < first_hour ORDER BY hour DESC LIMIT 24
    ), hours_after AS MATERIALIZED (
        SELECT DISTINCT hour FROM series_touched_hours, edges
        WHERE kit_id = :kit_id AND hour >= last_hour AND hour <= :now ORDER BY hour LIMIT 24
    )
    SELECT greatest(
        (SELECT max(h.last_at) FROM edges, unnest(:peripheral_ids) AS p(id)
         CROSS JOIN LATERAL (
             SELECT last_at FROM series_hours
             WHERE {_OF_SERIES} AND hour < first_hour AND last_at IS NOT NULL
             ORDER BY hour DESC LIMIT 1
         ) h),
        (SELECT max(r.datetime) FROM hours_before t CROSS JOIN LATERAL (
             {_READINGS_OF_SERIES} AND m.datetime >= t.hour AND m.datetime < t.hour + interval '1 hour'
         ) r),
        (SELECT max(r.datetime) FROM edges CROSS JOIN LATERAL (
             {_READINGS_OF_SERIES} AND m.datetime >= first_hour AND m.datetime < :start
         ) r)
    ) AS before,
    least(
        (SELECT min(h.first_at) FROM edges, unnest(:peripheral_ids) AS p(id)
         CROSS JOIN LATERAL (
             SELECT first_at FROM series_hours WHERE {_OF_SERIES} AND hour >= last_hour AND first_at <= :now
             ORDER BY hour LIMIT 1
         ) h),
        (SELECT min(r.datetime) FROM hours_after t CROSS JOIN LATERAL (
             {_READINGS_OF_SERIES} AND m.datetime >= t.hour AND m.datetime < t.hour + interval '1 hour'
               AND m.datetime <= :now
         ) r),
        (SELECT min(r.datetime) FROM edges CROSS JOIN LATERAL (
             {_READINGS_OF_SERIES} AND m.datetime >= :end AND m.datetime < last_hour AND m.datetime <= :now
         ) r)
    ) AS after
    """  # noqa: S608  (our own constants)
).bindparams(
    *(bindparam(name, type_=DateTime(timezone=True)) for name in ("start", "end", "now")),
    bindparam("kit_id", type_=Integer()),
    bindparam("quantity_type_id", type_=Integer()),
    bindparam("peripheral_ids", type_=ARRAY(Integer)),
)
