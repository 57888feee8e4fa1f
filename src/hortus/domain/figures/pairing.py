"""Pairing the samples of two sensors, such as temperature and humidity. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hortus.domain.figures.limits import OutOfRange
from hortus.domain.figures.samples import Sample, Usable


@dataclass(frozen=True, slots=True)
class Pair:
    """Values of two sensors that belong together, at the time of the first one."""

    at: datetime
    first: float
    second: float


def furthest_seconds(interval_seconds: float, other_interval_seconds: float) -> float:
    """Return how far apart samples may be to be paired: two intervals of the slower sensor, at least 2 min."""
    return 2 * max(interval_seconds, other_interval_seconds, 60.0)


def pairs_of(first: Usable, second: Usable, within_seconds: float) -> list[Pair]:
    """Return each sample of the first sensor that has one of the second nearby, with the nearest.

    Of two that are equally near, the earlier one is taken.
    """
    times = [each.at for each in second.samples]
    within = timedelta(seconds=within_seconds)
    nearest = ((each, _nearest(each.at, second.samples, times)) for each in first.samples)
    return [
        Pair(each.at, each.value, other.value)
        for each, other in nearest
        if other is not None and abs(other.at - each.at) <= within
    ]


def derive(
    first: Usable, second: Usable, within_seconds: float, formula: Callable[[float, float], float]
) -> Usable:
    """Return what a formula of two quantities gives for each pair.

    Means must be taken of this, because a figure of means is not the mean of the figure. Pairs for which the
    formula raises OutOfRange are left out and counted, together with what was left out of both inputs.
    """
    samples = []
    refused = 0
    for pair in pairs_of(first, second, within_seconds):
        try:
            samples.append(Sample(pair.at, formula(pair.first, pair.second)))
        except OutOfRange:
            refused += 1
    return Usable(tuple(samples), first.left_out + second.left_out + refused)


def _nearest(at: datetime, samples: Sequence[Sample], times: Sequence[datetime]) -> Sample | None:
    index = bisect_left(times, at)
    around = samples[max(0, index - 1) : index + 1]
    return min(around, key=lambda each: abs(each.at - at), default=None)
