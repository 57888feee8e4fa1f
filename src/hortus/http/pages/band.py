"""Band bars: where a value lies about its target range, as places in an SVG. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from hortus.domain.plants.state import Condition, Range

WIDTH = 100
HEIGHT = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Places from 0 to WIDTH: the range, and the mark of the value. `beyond`: it lies outside."""

    start: float
    end: float
    mark: float
    beyond: bool


def band_of(value: float, range_: Range, condition: Condition | None) -> Band | None:
    """Return the bar, twice as wide as the range, which lies in its middle; None without a range.

    A range with one bound takes the half of the bar on its side.
    """
    low, high = range_.minimum, range_.maximum
    if condition is None or (low is None and high is None):
        return None
    if low is not None and high is not None:
        start, end = WIDTH / 4, 3 * WIDTH / 4
        # Halved first: the difference of two finite numbers can be infinite.
        width = high / 2 - low / 2
        share = (value / 2 - low / 2) / width if width > 0 else 0.5
        place = start + share * (end - start)
    elif low is not None:
        start, end = WIDTH / 2, WIDTH
        place = WIDTH / 2 + (value - low) / max(abs(low), 1.0) * WIDTH / 2
    else:
        assert high is not None
        start, end = 0.0, WIDTH / 2
        place = WIDTH / 2 + (value - high) / max(abs(high), 1.0) * WIDTH / 2
    return Band(start=start, end=end, mark=min(max(place, 0.0), float(WIDTH)), beyond=not 0 <= place <= WIDTH)
