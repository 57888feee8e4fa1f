"""How long, and by how much, a quantity lay above or below a bound. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum

from hortus.domain.figures.integration import Piece, pieces_of
from hortus.domain.figures.samples import Period, Usable


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeInBand:
    """Seconds below, in and above a band whose bounds belong to it. Gaps are counted nowhere."""

    below_seconds: float
    within_seconds: float
    above_seconds: float


def time_in_band(
    usable: Usable, periods: Sequence[Period], interval_seconds: float, lowest: float, highest: float
) -> TimeInBand:
    """Return how long a quantity, such as the vapour pressure deficit, lay below, in and above a band."""
    pieces = [each for period in periods for each in pieces_of(usable.samples, period, interval_seconds)]
    below = fsum(each.seconds * _share_above(-each.first, -each.last, -lowest) for each in pieces)
    above = fsum(each.seconds * _share_above(each.first, each.last, highest) for each in pieces)
    covered = fsum(each.seconds for each in pieces)
    return TimeInBand(
        below_seconds=below, within_seconds=max(0.0, covered - below - above), above_seconds=above
    )


def seconds_at_or_above(
    usable: Usable, periods: Sequence[Period], interval_seconds: float, bound: float
) -> float:
    """Return for how many covered seconds a quantity was at least this high."""
    pieces = [each for period in periods for each in pieces_of(usable.samples, period, interval_seconds)]
    return fsum(each.seconds * (1 - _share_above(-each.first, -each.last, -bound)) for each in pieces)


def excess_above(usable: Usable, periods: Sequence[Period], interval_seconds: float, bound: float) -> float:
    """Return the integral of what exceeds a bound, in the unit of the quantity times seconds."""
    return fsum(
        _excess(piece, bound)
        for period in periods
        for piece in pieces_of(usable.samples, period, interval_seconds)
    )


def _share_above(first: float, last: float, bound: float) -> float:
    """Return the share of a straight line that lies strictly above a bound."""
    low, high = min(first, last), max(first, last)
    if high <= bound:
        return 0.0
    return 1.0 if low > bound else (high - bound) / (high - low)


def _excess(piece: Piece, bound: float) -> float:
    first, last = piece.first - bound, piece.last - bound
    if first >= 0 and last >= 0:
        return piece.seconds * (first + last) / 2
    return piece.seconds * _share_above(first, last, 0.0) * max(first, last, 0.0) / 2
