"""Gaps: the times in which a series has no readings although it should have. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

from hortus.domain.series.chart_store import Points
from hortus.domain.series.charts import EPOCH, Span
from hortus.domain.series.freshness import UNKNOWN_INTERVAL_SECONDS

_TRANSPORT_SECONDS = 15.0
"""What freshness allows for transport, too."""

_ENOUGH = 4
"""So many distances say something about a habit."""


def gap_seconds(longest_bucket_seconds: float, interval_seconds: float) -> float:
    """Return the distance of two neighbouring points above which there is a gap between them.

    Single readings have buckets of 0 seconds. Width alone would tear apart a series that measures more rarely
    than once per bucket. One reading may be missing without a gap.
    """
    return max(longest_bucket_seconds, 2 * interval_seconds + _TRANSPORT_SECONDS)


def usual_interval_seconds(points: Points) -> float:
    """Return how often a series whose configuration does not say so seems to be measured.

    That is the median distance of its points, but no less than what is assumed of unknown peripherals anyway.
    """
    distances = [(after - before) / 1000 for before, after in pairwise(points.time_ms)]
    return max(UNKNOWN_INTERVAL_SECONDS, median(distances) if len(distances) >= _ENOUGH else 0.0)


def gaps_of(points: Points, longest_seconds: float, span: Span) -> list[Span]:
    """Return the gaps within a span that has begun: before, between and after its points, the earliest first.

    A gap begins where the bucket before it ends, and ends where the next one begins.
    """
    start_ms, end_ms = _milliseconds(span.start), _milliseconds(span.end)
    if end_ms <= start_ms:
        return []
    if not points.time_ms:
        return [span]
    ends = points.ends
    first_ms, last_end_ms = points.time_ms[0], ends[-1]
    longest_ms = longest_seconds * 1000
    gaps = [
        (before_end_ms, at_ms)
        for (before_ms, before_end_ms), (at_ms, _) in pairwise(zip(points.time_ms, ends, strict=True))
        if at_ms - before_ms > longest_ms
    ]
    # Next to the edges there is no point to measure a distance from: only the empty time counts.
    if first_ms - start_ms > longest_ms:
        gaps.insert(0, (start_ms, first_ms))
    if end_ms - last_end_ms > longest_ms:
        gaps.append((last_end_ms, end_ms))
    return [_span(start, end) for start, end in gaps]


def coverage(gaps: Sequence[Span], span: Span) -> float:
    """Return the share of a span that lies in no gap; 0 for an empty span."""
    if span.seconds <= 0:
        return 0.0
    return max(0.0, 1 - sum(gap.seconds for gap in gaps) / span.seconds)


def _milliseconds(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(milliseconds=1)


def _span(start_ms: int, end_ms: int) -> Span:
    return Span(EPOCH + timedelta(milliseconds=start_ms), EPOCH + timedelta(milliseconds=end_ms))
