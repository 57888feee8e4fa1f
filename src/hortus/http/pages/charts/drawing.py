"""Lines, envelopes and dots of a series as paths of an SVG picture. Pure.

The picture is WIDTH × HEIGHT and stretched to the place there is, so paths hold whole numbers only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from hortus.domain.series.chart_store import Points
from hortus.domain.series.charts import EPOCH, Span
from hortus.http.pages.charts.scale import Scale

WIDTH = 2000
HEIGHT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """The data of four paths; each may be empty. `bars` are the extremes of lone buckets."""

    line: str
    envelope: str
    dots: str
    bars: str


@dataclass(frozen=True, slots=True)
class _Frame:
    span: Span
    scale: Scale

    def x(self, start_ms: int, end_ms: int) -> int:
        # A bucket is drawn in its middle.
        span_ms = (self.span.start - EPOCH) // timedelta(milliseconds=1)
        share = ((start_ms + end_ms) / 2 - span_ms) / (self.span.seconds * 1000)
        return round(share * WIDTH)

    def y(self, value: float) -> int:
        return max(-HEIGHT, min(2 * HEIGHT, round(HEIGHT - self.scale.share(value) * HEIGHT)))


def paths_of(points: Points, gap_seconds: float, span: Span, scale: Scale) -> Paths:
    """Return the paths of these points. No line crosses a gap."""
    frame, ends = _Frame(span, scale), points.ends
    lines, envelopes, dots, bars = [], [], [], []
    for stretch in _stretches(points, gap_seconds):
        xs = [frame.x(points.time_ms[i], ends[i]) for i in stretch]
        means = [frame.y(points.mean[i]) for i in stretch]
        if len(stretch) == 1:
            dots.append(f"M{xs[0]} {means[0]}h0")
        else:
            lines.append(_line(xs, means))
        if points.minimum is not None and points.maximum is not None:
            highs = [frame.y(points.maximum[i]) for i in stretch]
            lows = [frame.y(points.minimum[i]) for i in stretch]
            if len(stretch) == 1:
                bars.append(f"M{xs[0]} {highs[0]}V{lows[0]}")
            else:
                envelopes.append(f"{_line([*xs, *reversed(xs)], [*highs, *reversed(lows)])}Z")
    return Paths(line="".join(lines), envelope="".join(envelopes), dots="".join(dots), bars="".join(bars))


def percent(moment: datetime, span: Span) -> float:
    """Return where a moment lies in the span, in percent of its width, within the picture."""
    share = (moment - span.start) / (span.end - span.start) * 100
    return round(max(0.0, min(100.0, share)), 2)


def _stretches(points: Points, gap_seconds: float) -> Iterator[Sequence[int]]:
    """Yield the indices of each stretch of points without a gap."""
    if not points.time_ms:
        return
    begin = 0
    for index, (before, after) in enumerate(pairwise(points.time_ms), start=1):
        if after - before > gap_seconds * 1000:
            yield range(begin, index)
            begin = index
    yield range(begin, len(points.time_ms))


def _line(xs: Sequence[int], ys: Sequence[int]) -> str:
    return "M" + " ".join(f"{x} {y}" for x, y in zip(xs, ys, strict=True))
