"""The points of a chart, from the database.

Rollups may lag behind: an hour that was touched since it was rolled up is computed from its readings instead,
in the same statement and so from the same snapshot. A chart is correct whether or not rollups are up to date.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.series.chart_statements import BUCKETS, COUNT, READINGS, SERIES_OF_KIT
from hortus.domain.series.charts import (
    EPOCH,
    MOST_READ,
    Buckets,
    ChartSource,
    Span,
    finest_of_readings,
    finest_rolled_up,
    may_be_read_raw,
)
from hortus.domain.series.store import Series

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_USUAL_PER_HOUR = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """Columns of equal length, in chronological order. Times are in milliseconds since the epoch.

    For single readings (`width_seconds` is None) there are only times and values; `mean` holds the values.
    Buckets of local days have an `end_ms` each, and their width is nominal. Implausible readings are apart, as
    columns of their own: values if they are single, else counts by bucket.
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
    end_ms: list[int] | None = None

    @property
    def longest_seconds(self) -> float:
        """The length of the longest bucket there may be; 0 for single readings.

        Local days are an hour longer when clocks go back, and in few places more.
        """
        nominal = float(self.width_seconds or 0)
        if self.end_ms is None:
            return nominal
        lengths = ((end - start) / 1000 for start, end in zip(self.time_ms, self.end_ms, strict=True))
        return max(nominal + 3600, *lengths, 0)

    @property
    def ends(self) -> list[int]:
        """When each point ends, in milliseconds: for a single reading, when it was measured."""
        width_ms = (self.width_seconds or 0) * 1000
        return [at + width_ms for at in self.time_ms] if self.end_ms is None else self.end_ms

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


async def chart(
    connection: AsyncConnection, series: Series, span: Span, points: int, zone: ZoneInfo | None = None
) -> Points:
    """Return at most `points` points: the readings themselves if there are few, else the narrowest buckets.

    Empty buckets are omitted. Buckets are whole: the first may start before the span. Days are those of the
    zone, or of UTC.
    """
    return (await charts(connection, [series], span, points, zone))[0]


async def charts(
    connection: AsyncConnection,
    series: Sequence[Series],
    span: Span,
    points: int,
    zone: ZoneInfo | None = None,
) -> list[Points]:
    """Return the points of each of these series of one kit, as `chart` does, in a few statements for all."""
    found: dict[int, Points] = {}
    if series and may_be_read_raw(span, points):
        found = await _from_readings(connection, series, span, points)
    rest = [each for each in series if each.id not in found]
    if rest:
        found |= await bucketed(connection, rest, span, finest_rolled_up(span, points, zone))
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
        made = await bucketed(connection, members, span, buckets)
        found |= {id_: each for id_, each in made.items() if each.readings >= counted[id_].inside}
    return found


async def _count(connection: AsyncConnection, series: Sequence[Series], span: Span) -> dict[int, _Counted]:
    hours = span.widened(3600)
    parameters = {**_parameters(series, hours), "inner_start": span.start, "inner_end": span.end}
    rows = (await connection.execute(COUNT, parameters)).all()
    return {row.series_id: _Counted(int(row.touching), int(row.inside)) for row in rows}


async def _series_of_kit(connection: AsyncConnection, series: Series) -> int:
    return int(await connection.scalar(SERIES_OF_KIT, {"kit_id": series.kit_id}) or 0)


async def _readings(
    connection: AsyncConnection, series: Sequence[Series], span: Span, most: int
) -> dict[int, Points]:
    if not series:
        return {}
    rows = (await connection.execute(READINGS, {**_parameters(series, span), "most": most})).all()
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


async def bucketed(
    connection: AsyncConnection, series: Sequence[Series], span: Span, buckets: Buckets
) -> dict[int, Points]:
    """Return the points of each of these series of one kit in these buckets, by the series' ids."""
    whole = buckets.covering(span)
    parameters = _parameters(series, whole)
    if buckets.source is ChartSource.DAY:
        parameters |= await _parameters_of_days(connection, series, buckets.edges_in(whole))
    else:
        parameters |= {"width": timedelta(seconds=buckets.width_seconds), "origin": buckets.origin}
    rows = (await connection.execute(BUCKETS[buckets.source], parameters)).mappings()
    return {row["series_id"]: _points(row, whole, buckets) for row in rows}


async def _parameters_of_days(
    connection: AsyncConnection, series: Sequence[Series], edges: Sequence[datetime]
) -> dict[str, Any]:
    """Return where buckets begin, and which UTC days and hours they cut in two.

    Hours are only cut where local days begin within one, as in India. If reading them would take long, none is,
    and each belongs to the day in which it begins.
    """
    hours = sorted({edge - (edge - EPOCH) % _HOUR for edge in edges if (edge - EPOCH) % _HOUR})
    if hours:
        read = len(hours) * _USUAL_PER_HOUR * len(series) * await _series_of_kit(connection, series[0])
        hours = hours if read <= MOST_READ else []
    days = sorted({edge - (edge - EPOCH) % _DAY for edge in edges if (edge - EPOCH) % _DAY})
    return {"edges": list(edges), "split_days": days, "split_hours": hours}


def _points(row: RowMapping, whole: Span, buckets: Buckets) -> Points:
    ends = {_milliseconds(start): _milliseconds(end) for start, end in pairwise(buckets.edges)}
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
        end_ms=[ends[at] for at in row["time_ms"]] if ends else None,
    )


def _milliseconds(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(milliseconds=1)


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
