"""Waterings, found in the moisture of a substrate, and how far it dried back between them. Pure.

Moisture is in points: % of a calibrated span, or 100 × volumetric water content. Samples should be 5 to 15 min
apart; hourly ones show only that there was water. The algorithm is our own, after the practice of growers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

from hortus.domain.figures.limits import Limits
from hortus.domain.figures.samples import Period, Sample, usable

MOISTURE_POINTS = Limits("Moisture (points)", -50, 150)
"""Not clamped to 0 to 100: a calibration may be a little off."""
_LEAST_RISE_POINTS = 2.0
_NOISES_OF_A_RISE = 4
_WINDOW = timedelta(minutes=30)
_DRAINED = (timedelta(minutes=30), timedelta(minutes=90))
# From the median deviation to the standard deviation, for normal noise.
_DEVIATION_OF_MEDIAN = 1.4826


@dataclass(frozen=True, slots=True, kw_only=True)
class Watering:
    """One watering of one or more shots."""

    trough: Sample
    """The last minimum before it."""
    top: Sample
    """The highest sample of it."""
    shots: int = 1
    is_seen: bool = True
    """False if the rise lies in a gap: it was watered some time between trough and top, without a peak."""

    @property
    def peak(self) -> Sample | None:
        """The maximum after it, if it was seen."""
        return self.top if self.is_seen else None


@dataclass(frozen=True, slots=True, kw_only=True)
class DryBack:
    """How far it dried from a peak to the trough before the next watering.

    "13 %" is said of points and of percent of the peak, so always name which.
    """

    peak: Sample
    trough: Sample

    @property
    def points(self) -> float:
        """In points of moisture."""
        return self.peak.value - self.trough.value

    @property
    def percent_of_peak(self) -> float | None:
        """In % of the peak; None if that is not above 0."""
        return 100 * self.points / self.peak.value if self.peak.value > 0 else None

    @property
    def hours(self) -> float:
        """How long it took."""
        return (self.trough.at - self.peak.at) / timedelta(hours=1)


def find_waterings(moisture_points: Iterable[Sample]) -> list[Watering]:
    """Return the waterings, in order.

    A watering is a rise of 2 points, and of four times the noise, within 30 min; it goes on while moisture
    rises. Rises less than 30 min apart are shots of one watering. A slow daily wave from temperature is none.
    """
    samples = usable(moisture_points, MOISTURE_POINTS).samples
    rise = max(_LEAST_RISE_POINTS, _NOISES_OF_A_RISE * noise_points(samples))
    found: list[Watering] = []
    index = 0
    while index < len(samples) - 1:
        last = _top_of_rise(samples, index, rise)
        if last is None:
            index += 1
        else:
            _add(found, _watering(samples[index : last + 1]))
            index = last
    return found


def noise_points(samples: Sequence[Sample]) -> float:
    """Return the standard deviation of the differences between neighbours, without trend and waterings.

    Of differences, because a rise is one: they scatter more than single values, by a factor of 1.4.
    """
    steps = [after.value - before.value for before, after in pairwise(samples)]
    if not steps:
        return 0.0
    usual = median(steps)
    return _DEVIATION_OF_MEDIAN * median(abs(each - usual) for each in steps)


def drained_points(moisture_points: Iterable[Sample], watering: Watering, until: datetime) -> float | None:
    """Return the moisture after drainage (field capacity): the median from 30 to 90 min after the peak.

    `until` is the next watering, or the present. None if there is no peak, or no sample.
    """
    if watering.peak is None:
        return None
    start, end = (watering.peak.at + each for each in _DRAINED)
    samples = usable(moisture_points, MOISTURE_POINTS).samples
    values = [each.value for each in samples if start <= each.at <= end and each.at < until]
    return median(values) if values else None


def dry_backs(waterings: Sequence[Watering]) -> list[DryBack]:
    """Return the dry-back between each two neighbouring waterings that were both seen."""
    return [
        DryBack(peak=before.peak, trough=after.trough)
        for before, after in pairwise(waterings)
        if before.peak is not None and after.is_seen
    ]


def overnight_dry_back(waterings: Sequence[Watering], day: Period, next_day: Period) -> DryBack | None:
    """Return the dry-back from the last peak of a day to the first watering of the next, or None."""
    return next(
        (
            each
            for each in dry_backs(waterings)
            if day.start <= each.peak.at < day.end and next_day.start <= each.trough.at < next_day.end
        ),
        None,
    )


def _top_of_rise(samples: Sequence[Sample], first: int, rise: float) -> int | None:
    """Return the index of the highest sample of a rise that begins here, or None if it is no watering."""
    start = samples[first]
    if samples[first + 1].value <= start.value:
        return None
    if samples[first + 1].at - start.at > _WINDOW:
        return first + 1 if samples[first + 1].value - start.value >= rise else None
    last = first + 1
    while last + 1 < len(samples) and samples[last + 1].at - start.at <= _WINDOW:
        last += 1
    top = max(range(first, last + 1), key=lambda index: samples[index].value)
    if samples[top].value - start.value < rise:
        return None
    return _still_rising(samples, top)


def _still_rising(samples: Sequence[Sample], top: int) -> int:
    while (
        top + 1 < len(samples)
        and samples[top + 1].value > samples[top].value
        and samples[top + 1].at - samples[top].at <= _WINDOW
    ):
        top += 1
    return top


def _watering(rise: Sequence[Sample]) -> Watering:
    lowest = min(each.value for each in rise)
    trough = max(each for each in rise if each.value == lowest)
    is_seen = rise[1].at - rise[0].at <= _WINDOW
    return Watering(trough=trough, top=rise[-1], is_seen=is_seen)


def _add(found: list[Watering], new: Watering) -> None:
    last = found[-1] if found else None
    if last is None or new.trough.at - last.top.at >= _WINDOW or not (last.is_seen and new.is_seen):
        found.append(new)
        return
    top = max(last.top, new.top, key=lambda each: each.value)
    found[-1] = Watering(trough=last.trough, top=top, shots=last.shots + new.shots)
