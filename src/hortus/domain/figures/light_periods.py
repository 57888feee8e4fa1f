"""When it was light: periods of light from samples of a light sensor. Pure.

A sample's state, light or dark, lasts until the next sample if that follows within 30 min. More is a gap, in
which it is neither light nor dark.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

from hortus.domain.figures.limits import ILLUMINANCE_LUX, PPFD_UMOL, Limits
from hortus.domain.figures.samples import Period, Sample

LONGEST_STEP = timedelta(minutes=30)
_BRIDGED_DARK = timedelta(minutes=15)
_SHORTEST_LIGHT = timedelta(minutes=5)
_DARK_AROUND_NIGHT_BREAK = timedelta(hours=2)
_LONGEST_NIGHT_BREAK = timedelta(hours=4)


@dataclass(frozen=True, slots=True)
class LightThreshold:
    """Light begins at or above `on` and ends below `off`, in the unit of the limits."""

    limits: Limits
    on: float
    off: float


PPFD_THRESHOLD = LightThreshold(PPFD_UMOL, 2, 1)
"""2 µmol/m²/s is the usual least dose of a night interruption."""
LUX_THRESHOLD = LightThreshold(ILLUMINANCE_LUX, 100, 50)
"""Weak evidence: about the same under the sun and white lamps, but blind to red and blue ones."""


def light_periods(samples: Sequence[Sample], threshold: LightThreshold) -> list[Period]:
    """Return the periods of light from samples in order, one per moment.

    Dark of less than 15 min is bridged; then light of less than 5 min is dropped.
    """
    bridged = _joined(_lit_steps(samples, threshold), _BRIDGED_DARK)
    return [each for each in bridged if each.end - each.start >= _SHORTEST_LIGHT]


def night_breaks(light: Sequence[Period], window: Period) -> list[Period]:
    """Return the periods of light that interrupt a night, flashes that belong together as one.

    A break lasts at most 4 h and half of the longest light, and it is dark for 2 h before and after it. This
    definition is ours (weak evidence). Light at the borders of the window, whose length is unknown, is none.
    """
    groups = _joined(light, _DARK_AROUND_NIGHT_BREAK)
    longest = max((each.end - each.start for each in groups), default=timedelta())
    return [
        each
        for each in groups
        if each.end - each.start <= min(_LONGEST_NIGHT_BREAK, longest / 2)
        and window.start < each.start
        and each.end < window.end
    ]


def gaps_of(samples: Sequence[Sample], window: Period) -> list[Period]:
    """Return the gaps of a window, also those before its first and after its last sample."""
    moments = [window.start, *(each.at for each in samples), window.end]
    return [Period(before, after) for before, after in pairwise(moments) if after - before > LONGEST_STEP]


def without(window: Period, light: Sequence[Period]) -> list[Period]:
    """Return the parts of a window in which there is no light; the periods of light are in order."""
    inside = [shared for each in light if (shared := each.shared_with(window))]
    starts = [window.start, *(each.end for each in inside)]
    ends = [*(each.start for each in inside), window.end]
    return [Period(start, end) for start, end in zip(starts, ends, strict=True) if start < end]


def _lit_steps(samples: Sequence[Sample], threshold: LightThreshold) -> Iterator[Period]:
    is_lit = False
    for before, after in pairwise(samples):
        is_lit = before.value >= (threshold.off if is_lit else threshold.on)
        if is_lit and after.at - before.at <= LONGEST_STEP:
            yield Period(before.at, after.at)


def _joined(periods: Iterable[Period], closer_than: timedelta) -> list[Period]:
    joined: list[Period] = []
    for each in periods:
        if joined and each.start - joined[-1].end < closer_than:
            joined[-1] = Period(joined[-1].start, each.end)
        else:
            joined.append(each)
    return joined
