"""The last days of a plant: for each quantity the hours, and in how many of them it was in range."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

from sqlalchemy import ARRAY, Integer, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.plants.measured import MeasuredSeries
from hortus.domain.plants.state import Condition, Range
from hortus.domain.series.chart_store import Points, charts
from hortus.domain.series.charts import Span
from hortus.domain.series.store import Series, SeriesQuantity

DAYS = 7

_HOUR = timedelta(hours=1)
_POINTS = 200
"""Enough for each hour of a week."""

_PERIPHERALS = text(
    """
    SELECT kit_id, name, array_agg(id ORDER BY id) AS ids FROM peripherals
    WHERE kit_id = ANY(:kit_ids) AND deleted_at IS NULL GROUP BY kit_id, name
    """
).bindparams(bindparam("kit_ids", type_=ARRAY(Integer)))


@dataclass(frozen=True, slots=True, kw_only=True)
class HourOfPlant:
    """An hour in which a quantity was measured."""

    start: datetime
    mean: float
    minimum: float
    maximum: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DayInRange:
    """A local day: its hours so far, those with readings, and those of which the mean was in range.

    `side` is on which side most of the others were.
    """

    day: date
    hours: int
    measured: int
    inside: int
    side: Condition | None

    @property
    def share(self) -> float | None:
        """The share of the hours with readings that were in range; None if there were no readings."""
        return self.inside / self.measured if self.measured else None


async def week_of_plant(
    connection: AsyncConnection,
    measured: Mapping[int, MeasuredSeries],
    since: Mapping[int, datetime],
    now: datetime,
) -> dict[int, list[HourOfPlant]]:
    """Return the hours of the last days by quantity type, oldest first.

    `since` has, by kit, from when it measured the plant: what it measured before says nothing about the plant.
    """
    span = Span(now - (DAYS + 1) * timedelta(days=1), now)
    of_kits: dict[int, list[MeasuredSeries]] = defaultdict(list)
    for each in measured.values():
        of_kits[each.kit_id].append(each)
    rows = await connection.execute(_PERIPHERALS, {"kit_ids": list(of_kits)}) if of_kits else ()
    peripheral_ids = {(row.kit_id, row.name): row.ids for row in rows}
    found: dict[int, list[HourOfPlant]] = {}
    for kit_id, wanted in of_kits.items():
        series = [
            Series(
                id=each.quantity_type_id,
                kit_id=kit_id,
                peripheral_name=each.peripheral_name,
                quantity_type=SeriesQuantity(
                    id=each.quantity_type_id,
                    physical_quantity="",
                    physical_unit="",
                    physical_unit_symbol=None,
                ),
                peripheral_ids=tuple(peripheral_ids.get((kit_id, each.peripheral_name), ())),
            )
            for each in wanted
        ]
        begin = max(span.start, since.get(kit_id, span.start))
        of_series = await charts(connection, series, span, _POINTS)
        for one, points in zip(series, of_series, strict=True):
            found[one.id] = [hour for hour in hours_of(points) if hour.start + _HOUR > begin]
    return found


def hours_of(points: Points) -> list[HourOfPlant]:
    """Return points as hours: single readings and narrower buckets are put together."""
    hours: dict[datetime, list[tuple[float, float, float, int]]] = defaultdict(list)
    low, high = points.minimum or points.mean, points.maximum or points.mean
    counts = points.count or [1] * len(points.mean)
    for time_ms, mean, minimum, maximum, count in zip(
        points.time_ms, points.mean, low, high, counts, strict=True
    ):
        moment = datetime.fromtimestamp(time_ms / 1000, UTC)
        hours[moment.replace(minute=0, second=0, microsecond=0)].append((mean, minimum, maximum, count))
    return [
        HourOfPlant(
            start=start,
            mean=sum(mean * count for mean, _, _, count in parts) / sum(count for *_, count in parts),
            minimum=min(minimum for _, minimum, _, _ in parts),
            maximum=max(maximum for _, _, maximum, _ in parts),
        )
        for start, parts in sorted(hours.items())
    ]


def days_in_range(hours: Iterable[HourOfPlant], range_: Range, now: datetime, zone: tzinfo) -> list[DayInRange]:
    """Return the last local days, today last, judged by the mean of each hour. Pure."""
    today = now.astimezone(zone).date()
    by_day: dict[date, list[Condition]] = defaultdict(list)
    for hour in hours:
        by_day[hour.start.astimezone(zone).date()].append(range_.condition_of(hour.mean))
    return [_day(today - timedelta(days=back), by_day, now, zone) for back in range(DAYS - 1, -1, -1)]


def _day(day: date, by_day: Mapping[date, Sequence[Condition]], now: datetime, zone: tzinfo) -> DayInRange:
    start = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
    following = day + timedelta(days=1)
    # A day may have 23 or 25 hours.
    end = datetime(following.year, following.month, following.day, tzinfo=zone).astimezone(UTC)
    conditions = by_day.get(day, ())
    outside = [each for each in conditions if each is not Condition.OK]
    elapsed = min(end, now) - start
    return DayInRange(
        day=day,
        hours=max(len(conditions), -(-elapsed // _HOUR)),
        measured=len(conditions),
        inside=len(conditions) - len(outside),
        side=max(sorted(set(outside)), key=outside.count) if outside else None,
    )
