"""Choosing the buckets of a chart: their width, and the source of their figures. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from hortus.base.time_zones import day_starts

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST = datetime(2010, 1, 1, tzinfo=UTC)
"""Ingest refuses earlier readings: the kit's clock was not set."""
_FURTHEST_AHEAD = timedelta(days=1)
"""Readings further in the future are not stored (the maximum of HORTUS_CLOCK_TOLERANCE_SECONDS)."""

_HOUR = 3600
_DAY = 24 * _HOUR
_WIDTHS_SECONDS = (
    *(1, 2, 5, 10, 15, 30),
    *(60, 120, 300, 600, 900, 1800),
    *(_HOUR, 2 * _HOUR, 3 * _HOUR, 4 * _HOUR, 6 * _HOUR, 12 * _HOUR),
)
"""Widths that divide an hour or a day, and that are readable on an axis."""

# Buckets of less than an hour are computed from readings, stored among those of the kit's other series.
MOST_READ = 500_000
# Hours that give at least this share of the requested points are fine enough, and far cheaper.
_ENOUGH = 1 / 3


class ChartSource(StrEnum):
    """The source of the figures of buckets."""

    RAW = "raw"
    HOUR = "hour"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class Span:
    """A span of time; `end` is exclusive."""

    start: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        """The length of the span."""
        return (self.end - self.start).total_seconds()

    def within_reason(self, now: datetime) -> Span:
        """Return the part of the span in which readings can exist; it may be empty."""
        start = min(max(self.start, EARLIEST), now + _FURTHEST_AHEAD)
        return Span(start, max(start, min(self.end, now + _FURTHEST_AHEAD)))

    def widened(self, width_seconds: int, origin: datetime = EPOCH) -> Span:
        """Return the span widened to whole buckets of this width, aligned to the origin."""
        width = timedelta(seconds=width_seconds)
        start = self.start - (self.start - origin) % width
        return Span(start, self.end + (origin - self.end) % width)


@dataclass(frozen=True, slots=True)
class Buckets:
    """Buckets of equal width, aligned to the epoch (UTC), unless a single one has an origin of its own.

    Local days that do not begin at midnight UTC have `edges`: where each bucket begins, and the last one ends.
    Their width is then nominal.
    """

    source: ChartSource
    width_seconds: int
    origin: datetime = EPOCH
    edges: tuple[datetime, ...] = ()

    def covering(self, span: Span) -> Span:
        """Return the span widened to whole buckets."""
        if self.edges:
            return Span(self.edges[0], self.edges[-1])
        return span.widened(self.width_seconds, self.origin)

    def edges_in(self, whole: Span) -> Sequence[datetime]:
        """Return where each bucket of a span of whole buckets begins, and the last one ends."""
        if self.edges:
            return self.edges
        width = timedelta(seconds=self.width_seconds)
        return [whole.start + i * width for i in range((whole.end - whole.start) // width + 1)]


def finest_rolled_up(span: Span, points: int, zone: ZoneInfo | None = None) -> Buckets:
    """Return the narrowest buckets of whole hours that make at most `points`, from the cheapest source.

    Days are those of the zone, or without one of UTC.
    """
    for width in (each for each in _WIDTHS_SECONDS if each >= _HOUR):
        if _buckets(span, width) <= points:
            return Buckets(ChartSource.HOUR, width)
    found = _days(span, points) if zone is None else _local_days(span, points, zone)
    if found is not None:
        return found
    # However wide aligned buckets are, a span that crosses an edge has two.
    if span.seconds > 2 * _DAY and zone is not None:
        edges = [*day_starts(span.start, span.end, zone)]
        return Buckets(ChartSource.DAY, (len(edges) - 1) * _DAY, edges=(edges[0], edges[-1]))
    source, width = (ChartSource.DAY, _DAY) if span.seconds > 2 * _DAY else (ChartSource.HOUR, _HOUR)
    whole = span.widened(width)
    return Buckets(source, int(whole.seconds), whole.start)


def _days(span: Span, points: int) -> Buckets | None:
    """Return the narrowest buckets of whole UTC days, or None if even wide ones are too many."""
    days = 1
    while _buckets(span, days * _DAY) > points and days * _DAY < span.seconds + _DAY:
        days += 1
    return Buckets(ChartSource.DAY, days * _DAY) if _buckets(span, days * _DAY) <= points else None


def _local_days(span: Span, points: int, zone: ZoneInfo) -> Buckets | None:
    """Return the narrowest buckets of whole local days, or None if even wide ones are too many."""
    days = max(1, math.ceil(span.seconds / _DAY / points) - 1)
    while True:
        edges = tuple(day_starts(span.start, span.end, zone, days))
        if len(edges) - 1 <= points:
            break
        if days * _DAY >= span.seconds + _DAY:
            return None
        days += 1
    if all((edge - EPOCH) % timedelta(days=1) == timedelta() for edge in edges):
        return Buckets(ChartSource.DAY, days * _DAY)
    return Buckets(ChartSource.DAY, days * _DAY, edges=edges)


def may_be_read_raw(span: Span, points: int) -> bool:
    """Return whether this chart might be made from readings, so that counting them is worthwhile."""
    return span.seconds / _HOUR < points * _ENOUGH or span.seconds <= 31 * _DAY


def finest_of_readings(span: Span, points: int, readings: int, series_of_kit: int) -> Buckets | None:
    """Return the narrowest buckets of less than an hour that make at most `points`; None if hours are better.

    `readings` is the number of the series' readings in the span; other series of the kit are assumed to have
    as many.
    """
    if span.seconds / _HOUR >= points * _ENOUGH or readings * max(1, series_of_kit) > MOST_READ:
        return None
    for width in (each for each in _WIDTHS_SECONDS if each < _HOUR):
        if _buckets(span, width) <= points:
            return Buckets(ChartSource.RAW, width)
    return None


def _buckets(span: Span, width_seconds: int) -> int:
    return int(span.widened(width_seconds).seconds // width_seconds)
