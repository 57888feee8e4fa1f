"""Labels of the time axis. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, tzinfo

from hortus.domain.series.charts import Span
from hortus.http.pages.times import month_name, short_date, time_of_day

_MOST = 6
"""As many labels fit beside each other on a phone."""

_STEPS = [
    *(timedelta(seconds=each) for each in (10, 30)),
    *(timedelta(minutes=each) for each in (1, 2, 5, 10, 15, 30)),
    *(timedelta(hours=each) for each in (1, 2, 3, 6, 12)),
    *(timedelta(days=each) for each in (1, 2, 7)),
]
_MONTH_STEPS = (1, 2, 3, 6, 12, 24, 60, 120)


def time_ticks(span: Span, zone: tzinfo) -> list[tuple[datetime, str]]:
    """Return the moments to label, and their labels: clock times, days or months of the zone."""
    for step in _STEPS:
        moments = list(_multiples(span, zone, step))
        if len(moments) <= _MOST:
            return [(at, _label(at.astimezone(zone), step)) for at in moments]
    for months in _MONTH_STEPS:
        moments = list(_months(span, zone, months))
        if len(moments) <= _MOST:
            break
    return [(at, _month_label(at.astimezone(zone), months)) for at in moments]


def _multiples(span: Span, zone: tzinfo, step: timedelta) -> Iterator[datetime]:
    """Yield the multiples of a step since midnight, or since the first of the month for days."""
    start = span.start.astimezone(zone)
    if step >= timedelta(days=1):
        at = start.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    else:
        at = start.replace(hour=0, minute=0, second=0, microsecond=0)
    if (span.end - span.start) / step > 4 * _MOST:
        # More than enough to know that the step is too short.
        yield from [at] * (_MOST + 1)
        return
    while at <= span.end.astimezone(zone):
        if at >= start and (step < timedelta(days=7) or at.day <= 22 or at.day == 1):
            yield at
        following = at + step
        # Days of a month begin anew with each month.
        at = following.replace(day=1) if step > timedelta(days=1) and following.month != at.month else following


def _months(span: Span, zone: tzinfo, step: int) -> Iterator[datetime]:
    start = span.start.astimezone(zone)
    at = start.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    while at <= span.end.astimezone(zone):
        if at >= start and (at.year * 12 + at.month - 1) % step == 0:
            yield at
        at = at.replace(year=at.year + at.month // 12, month=at.month % 12 + 1)


def _label(local: datetime, step: timedelta) -> str:
    if step >= timedelta(days=1) or (local.hour, local.minute, local.second) == (0, 0, 0):
        return short_date(local)
    return time_of_day(local, seconds=step < timedelta(minutes=1))


def _month_label(local: datetime, months: int) -> str:
    return f"{local.year}" if months >= 12 or local.month == 1 else month_name(local)
