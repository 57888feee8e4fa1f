"""What a chart says in figures, for its sentences. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from hortus.base.language.translation import gettext, gettext_noop
from hortus.domain.series.charts import EPOCH, Span
from hortus.http.pages.charts.panels import Panel
from hortus.http.pages.charts.store import DrawnSeries
from hortus.http.pages.charts.view import ChartView
from hortus.http.pages.times import clock_text

_RANGE_WORDS = {
    "1h": gettext_noop("last hour"),
    "6h": gettext_noop("last 6 hours"),
    "24h": gettext_noop("last 24 hours"),
    "3d": gettext_noop("last 3 days"),
    "7d": gettext_noop("last 7 days"),
    "30d": gettext_noop("last 30 days"),
    "90d": gettext_noop("last 90 days"),
    "1y": gettext_noop("last year"),
    "all": gettext_noop("all readings"),
    "today": gettext_noop("today"),
    "week": gettext_noop("this week"),
}

_SHORT_SECONDS = 600
"""Seconds are told of shorter ranges only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The figures of a series within a range. `last` is None unless it is the present value."""

    lowest: float
    highest: float
    mean: float
    last: float | None
    readings: int
    gaps: int
    longest_gap: timedelta


def figures_of(drawn: DrawnSeries, span: Span, now: datetime) -> Figures | None:
    """Return the figures, or None if there are no points."""
    points = drawn.points
    if not points.mean:
        return None
    counts = points.count or [1] * len(points.mean)
    readings = sum(counts)
    last_at = EPOCH + timedelta(milliseconds=points.ends[-1])
    is_present = span.end >= now and (now - last_at) / timedelta(seconds=1) <= drawn.gap_seconds
    return Figures(
        lowest=min(points.minimum or points.mean),
        highest=max(points.maximum or points.mean),
        # Divided first: the sum of very large values overflows.
        mean=sum(mean * (count / readings) for mean, count in zip(points.mean, counts, strict=True)),
        last=points.mean[-1] if is_present else None,
        readings=readings,
        gaps=len(drawn.gaps),
        longest_gap=max((gap.end - gap.start for gap in drawn.gaps), default=timedelta()),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """What the points of all panels are: single readings or not, how many, and with how many gaps."""

    readings: int
    are_single: bool
    widest_bucket: timedelta
    gaps: int
    longest_gap: timedelta


def extent_of(panels: list[Panel], span: Span, now: datetime) -> Extent:
    """Return the figures of all panels together."""
    drawn = [line.drawn for panel in panels for line in panel.lines]
    figures = [each for each in (figures_of(one, span, now) for one in drawn) if each is not None]
    widest = max((each.points.width_seconds or 0 for each in drawn if each.points.mean), default=0)
    return Extent(
        readings=sum(each.readings for each in figures),
        are_single=widest == 0,
        widest_bucket=timedelta(seconds=widest),
        gaps=sum(each.gaps for each in figures),
        longest_gap=max((each.longest_gap for each in figures), default=timedelta()),
    )


def range_words(view: ChartView, span: Span, zone: tzinfo, now: datetime) -> str:
    """Return the range in words, such as `last 24 hours`."""
    if view.follows:
        return gettext(_RANGE_WORDS[view.range])
    is_short = span.seconds < _SHORT_SECONDS
    start = clock_text(span.start, zone, now, seconds=is_short)
    end = clock_text(span.end, zone, span.start, seconds=is_short)
    return gettext("%(start)s to %(end)s", start=start, end=end)
