"""Points of some days before, moved to where clocks show the same time. Pure.

Local days have 23 or 25 hours when clocks change. So a day is not moved by 24 hours, but each of its points to
the same time of day. An hour that clocks skipped is missing, and one that they repeat is compared with the same
hour twice.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TypeVar
from zoneinfo import ZoneInfo

from hortus.base.time_zones import day_starts
from hortus.domain.series.chart_store import Points
from hortus.domain.series.charts import EPOCH, Span

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)

_Figure = TypeVar("_Figure", int, float)


def at_same_clock(moment: datetime, days: int, zone: ZoneInfo) -> datetime:
    """Return when clocks of the zone show the same time, so many days later."""
    local = moment.astimezone(zone)
    return (local.replace(tzinfo=None) + days * _DAY).replace(tzinfo=zone, fold=local.fold).astimezone(UTC)


def span_before(span: Span, days: int, zone: ZoneInfo) -> Span:
    """Return the span in which clocks showed the same times, so many days before."""
    return Span(at_same_clock(span.start, -days, zone), at_same_clock(span.end, -days, zone))


def moved_to(span: Span, before: Points, days: int, zone: ZoneInfo) -> Points:
    """Return the points of so many days before at the times of this span.

    Where a bucket belongs is decided by its middle; days are moved as days.
    """
    if before.end_ms is not None:
        starts, ends = ([_moved_ms(at, days, zone) for at in each] for each in (before.time_ms, before.end_ms))
        return replace(before, time_ms=starts, end_ms=ends, span=span)
    half_ms = (before.width_seconds or 0) * 500
    middles = [at + half_ms for at in before.time_ms]
    taken: list[tuple[int, int]] = []
    for stretch in _stretches(span.widened(before.width_seconds or 1), days, zone):
        first = bisect_left(middles, _milliseconds(stretch.start - stretch.shift))
        end = bisect_left(middles, _milliseconds(stretch.end - stretch.shift))
        shift_ms = stretch.shift // timedelta(milliseconds=1)
        taken += [(index, before.time_ms[index] + shift_ms) for index in range(first, end)]
    return replace(
        before,
        span=span,
        time_ms=[at for _, at in taken],
        mean=[before.mean[index] for index, _ in taken],
        minimum=_picked(before.minimum, taken),
        maximum=_picked(before.maximum, taken),
        count=_picked(before.count, taken),
    )


def _picked(column: list[_Figure] | None, taken: list[tuple[int, int]]) -> list[_Figure] | None:
    return None if column is None else [column[index] for index, _ in taken]


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A stretch of the present, which shows what was so much earlier."""

    start: datetime
    end: datetime
    shift: timedelta


def _stretches(span: Span, days: int, zone: ZoneInfo) -> Iterator[_Stretch]:
    """Yield the stretches of a span in order; where clocks of the past showed no such time, there is none."""
    reached = span.start
    past = list(_of_equal_offset(span_before(span, days, zone), zone))
    for piece, offset in _of_equal_offset(span, zone):
        for earlier, offset_then in past:
            shift = days * _DAY - offset + offset_then
            # Of a time that clocks of the past showed twice, the first counts.
            start = max(piece.start, earlier.start + shift, reached)
            end = min(piece.end, earlier.end + shift)
            if start < end:
                yield _Stretch(start, end, shift)
                reached = end


def _of_equal_offset(span: Span, zone: ZoneInfo) -> Iterator[tuple[Span, timedelta]]:
    """Yield the parts of a span between changes of the clocks, with the offset from UTC."""
    start, offset = span.start, _offset(span.start, zone)
    for day, following in pairwise(day_starts(span.start, span.end, zone)):
        low, high = max(day, span.start), min(following, span.end)
        if low >= high or _offset(high, zone) == offset:
            continue
        while high - low > _SECOND:
            middle = low + (high - low) / 2
            low, high = (middle, high) if _offset(middle, zone) == offset else (low, middle)
        change = high.replace(microsecond=0)
        yield Span(start, change), offset
        start, offset = change, _offset(change, zone)
    yield Span(start, span.end), offset


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()


def _moved_ms(time_ms: int, days: int, zone: ZoneInfo) -> int:
    return _milliseconds(at_same_clock(EPOCH + timedelta(milliseconds=time_ms), days, zone))


def _milliseconds(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(milliseconds=1)
