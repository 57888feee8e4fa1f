"""Sparklines: small curves without axes, as points for an SVG polyline. Pure."""

from __future__ import annotations

from collections.abc import Sequence

WIDTH = 96
HEIGHT = 24
_MARGIN = 2.0


def polylines(course: Sequence[float | None]) -> list[str]:
    """Return the points of each unbroken stretch of the course, as `x,y x,y …` within WIDTH × HEIGHT.

    A gap in the course is a gap in the curve. A stretch of one value is drawn as a short dash.
    """
    present = [value for value in course if value is not None]
    if not present:
        return []
    low, high = min(present), max(present)
    step = (WIDTH - 2 * _MARGIN) / max(1, len(course) - 1)
    stretches: list[list[tuple[float, float]]] = [[]]
    for index, value in enumerate(course):
        if value is None:
            stretches.append([])
        else:
            stretches[-1].append((_MARGIN + index * step, _height_of(value, low, high)))
    return [_written(stretch, step) for stretch in stretches if stretch]


def _height_of(value: float, low: float, high: float) -> float:
    # Halved first: the difference of two finite numbers can be infinite. Half of the smallest numbers is 0.
    span = high / 2 - low / 2
    if span == 0:
        return HEIGHT / 2
    share = (value / 2 - low / 2) / span
    return HEIGHT - _MARGIN - share * (HEIGHT - 2 * _MARGIN)


def _written(stretch: list[tuple[float, float]], step: float) -> str:
    if len(stretch) == 1:
        x, y = stretch[0]
        stretch = [(x - step / 2, y), (x + step / 2, y)]
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in stretch)
