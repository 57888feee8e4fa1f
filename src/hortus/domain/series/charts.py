"""Choosing the buckets of a chart: their width, and the source of their figures. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

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
    *(_HOUR, 2 * _HOUR, 3 * _HOUR, 4 * _HOUR, 6 * _HOUR, 12 * _HOUR, _DAY),
)
"""Widths that divide an hour or a day, and that are readable on an axis."""

# Buckets of less than an hour are computed from readings, stored among those of the kit's other series.
_MOST_READ = 500_000
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
    """Buckets of equal width, aligned to the epoch (UTC), unless a single one has an origin of its own."""

    source: ChartSource
    width_seconds: int
    origin: datetime = EPOCH

    def covering(self, span: Span) -> Span:
        """Return the span widened to whole buckets."""
        return span.widened(self.width_seconds, self.origin)


def finest_rolled_up(span: Span, points: int) -> Buckets:
    """Return the narrowest buckets of whole hours that make at most `points`, from the cheapest source."""
    for width in (each for each in _WIDTHS_SECONDS if each >= _HOUR):
        if _buckets(span, width) <= points:
            return Buckets(ChartSource.DAY if width == _DAY else ChartSource.HOUR, width)
    days = 2
    while _buckets(span, days * _DAY) > points and days * _DAY < span.seconds + _DAY:
        days += 1
    if _buckets(span, days * _DAY) <= points:
        return Buckets(ChartSource.DAY, days * _DAY)
    # However wide aligned buckets are, a span that crosses an edge has two.
    source, width = (ChartSource.DAY, _DAY) if span.seconds > 2 * _DAY else (ChartSource.HOUR, _HOUR)
    whole = span.widened(width)
    return Buckets(source, int(whole.seconds), whole.start)


def may_be_read_raw(span: Span, points: int) -> bool:
    """Return whether this chart might be made from readings, so that counting them is worthwhile."""
    return span.seconds / _HOUR < points * _ENOUGH or span.seconds <= 31 * _DAY


def finest_of_readings(span: Span, points: int, readings: int, series_of_kit: int) -> Buckets | None:
    """Return the narrowest buckets of less than an hour that make at most `points`; None if hours are better.

    `readings` is the number of the series' readings in the span; other series of the kit are assumed to have
    as many.
    """
    if span.seconds / _HOUR >= points * _ENOUGH or readings * max(1, series_of_kit) > _MOST_READ:
        return None
    for width in (each for each in _WIDTHS_SECONDS if each < _HOUR):
        if _buckets(span, width) <= points:
            return Buckets(ChartSource.RAW, width)
    return None


def _buckets(span: Span, width_seconds: int) -> int:
    return int(span.widened(width_seconds).seconds // width_seconds)
