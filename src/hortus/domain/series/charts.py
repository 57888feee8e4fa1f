"""Which points a chart is made of: the width of its buckets and where their figures come from. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST = datetime(2010, 1, 1, tzinfo=UTC)
"""Readings of before are refused by ingest: the kit's clock was not set."""
_FURTHEST_AHEAD = timedelta(days=1)
"""No reading is stored that is further in the future (the longest HORTUS_CLOCK_TOLERANCE_SECONDS)."""

_HOUR = 3600
_DAY = 24 * _HOUR
_WIDTHS_SECONDS = (
    *(1, 2, 5, 10, 15, 30),
    *(60, 120, 300, 600, 900, 1800),
    *(_HOUR, 2 * _HOUR, 3 * _HOUR, 4 * _HOUR, 6 * _HOUR, 12 * _HOUR, _DAY),
)
"""Widths that divide an hour, or a day, and that people can read on an axis."""

# Below an hour, buckets are computed from readings, which lie among those of the kit's other series.
_MOST_READ = 500_000
# From that share of the wished points on, hours are fine enough and far cheaper.
_ENOUGH = 1 / 3


class ChartSource(StrEnum):
    """Where the figures of buckets come from."""

    RAW = "raw"
    HOUR = "hour"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class Span:
    """A span of time, its end excluded."""

    start: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        """Its length."""
        return (self.end - self.start).total_seconds()

    def within_reason(self, now: datetime) -> Span:
        """Return the part of it in which there can be readings; maybe an empty one."""
        start = min(max(self.start, EARLIEST), now + _FURTHEST_AHEAD)
        return Span(start, max(start, min(self.end, now + _FURTHEST_AHEAD)))

    def widened(self, width_seconds: int) -> Span:
        """Return the whole buckets of this width, counted from the epoch, that it touches."""
        width = timedelta(seconds=width_seconds)
        start = self.start - (self.start - EPOCH) % width
        return Span(start, self.end + (EPOCH - self.end) % width)


@dataclass(frozen=True, slots=True)
class Buckets:
    """Buckets of equal width, aligned to the epoch (UTC)."""

    source: ChartSource
    width_seconds: int


def finest_rolled_up(span: Span, points: int) -> Buckets:
    """Return the narrowest buckets of whole hours that are at most so many, from the cheapest source."""
    for width in (each for each in _WIDTHS_SECONDS if each >= _HOUR):
        if _buckets(span, width) <= points:
            return Buckets(ChartSource.DAY if width == _DAY else ChartSource.HOUR, width)
    days = 2
    while _buckets(span, days * _DAY) > points and days * _DAY < span.seconds + _DAY:
        days += 1
    return Buckets(ChartSource.DAY, days * _DAY)


def may_be_read_raw(span: Span, points: int) -> bool:
    """Return whether readings come into question for this chart, so that counting them is worth it."""
    return span.seconds / _HOUR < points * _ENOUGH or span.seconds <= 31 * _DAY


def finest_of_readings(span: Span, points: int, readings: int, series_of_kit: int) -> Buckets | None:
    """Return the narrowest buckets below an hour that are at most so many; None if hours do better.

    `readings` are those of the series in the span; the kit's other series are taken to have as many each.
    """
    if span.seconds / _HOUR >= points * _ENOUGH or readings * max(1, series_of_kit) > _MOST_READ:
        return None
    for width in (each for each in _WIDTHS_SECONDS if each < _HOUR):
        if _buckets(span, width) <= points:
            return Buckets(ChartSource.RAW, width)
    return None


def _buckets(span: Span, width_seconds: int) -> int:
    return int(span.widened(width_seconds).seconds // width_seconds)
