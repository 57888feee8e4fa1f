"""Integrals, means and extremes of a quantity over time, and how much of the time they cover. Pure.

Between neighbouring samples values change along a straight line (trapezoid rule). Neighbours that are too far
apart have a gap between them: it adds nothing and is not covered. Sums are never scaled by their coverage,
because light, for one, is not spread evenly over a day.

The samples around a period should be given too. Without a neighbour on the other side, the time between the
border and the first sample is not covered.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from math import fsum

from hortus.domain.figures.samples import Period, Sample, Usable

COMPLETE = 0.95
ENOUGH = 0.75


class Completeness(StrEnum):
    """Whether figures may be shown: as they are, with a note, or only sums, as "at least"."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    INSUFFICIENT = "insufficient"


@dataclass(frozen=True, slots=True)
class Piece:
    """A covered stretch of time, with the values at its ends."""

    seconds: float
    first: float
    last: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Integral:
    """A quantity summed over time: the unit of `total` is that of the quantity, times seconds.

    `left_out` counts the unusable values among all samples given, also those outside the periods.
    """

    total: float
    covered_seconds: float
    seconds: float
    left_out: int = 0

    @property
    def coverage(self) -> float:
        """The covered share of the time, 0 to 1."""
        return min(1.0, self.covered_seconds / self.seconds) if self.seconds else 0.0

    @property
    def completeness(self) -> Completeness:
        """What the coverage permits."""
        return completeness_of(self.coverage)

    @property
    def is_at_least(self) -> bool:
        """Whether a sum of values that are never negative is only a lower bound."""
        return self.completeness is not Completeness.COMPLETE

    @property
    def mean(self) -> float | None:
        """The mean over the covered time, each value weighted by its time; None below a coverage of 0.75."""
        if self.completeness is Completeness.INSUFFICIENT:
            return None
        return self.total / self.covered_seconds


def completeness_of(coverage: float) -> Completeness:
    """Return what a coverage permits: complete from 0.95, partial from 0.75."""
    if coverage >= COMPLETE:
        return Completeness.COMPLETE
    return Completeness.PARTIAL if coverage >= ENOUGH else Completeness.INSUFFICIENT


def longest_step_seconds(interval_seconds: float) -> float:
    """Return the greatest distance of neighbours without a gap: three intervals, at least 15 minutes."""
    return max(3 * interval_seconds, 900.0)


def integrate(usable: Usable, periods: Sequence[Period], interval_seconds: float) -> Integral:
    """Return the integral over periods that do not overlap, of a series measured at this interval."""
    pieces = [each for period in periods for each in pieces_of(usable.samples, period, interval_seconds)]
    return Integral(
        total=fsum((each.first + each.last) / 2 * each.seconds for each in pieces),
        covered_seconds=fsum(each.seconds for each in pieces),
        seconds=fsum(each.seconds for each in periods),
        left_out=usable.left_out,
    )


def pieces_of(samples: Sequence[Sample], period: Period, interval_seconds: float) -> Iterator[Piece]:
    """Yield the covered stretches of a period. The samples are in order, one per moment."""
    longest = timedelta(seconds=longest_step_seconds(interval_seconds))
    first = max(0, bisect_right(samples, period.start, key=_at) - 1)
    last = bisect_left(samples, period.end, key=_at) + 1
    for before, after in pairwise(samples[first:last]):
        if after.at - before.at <= longest:
            shared = Period(before.at, after.at).shared_with(period)
            if shared:
                yield Piece(
                    shared.seconds, _between(before, after, shared.start), _between(before, after, shared.end)
                )


def extremes(samples: Sequence[Sample], periods: Sequence[Period]) -> tuple[float, float] | None:
    """Return the lowest and the highest value in the periods, or None without samples."""
    values = [each.value for each in samples for period in periods if period.start <= each.at < period.end]
    return (min(values), max(values)) if values else None


def _at(sample: Sample) -> datetime:
    return sample.at


def _between(before: Sample, after: Sample, moment: datetime) -> float:
    if moment == after.at:
        return after.value
    share = (moment - before.at) / (after.at - before.at)
    return before.value + share * (after.value - before.value)
