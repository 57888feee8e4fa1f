"""The photoperiod of a day as measured: hours of light, and how long it was dark without a break. Pure.

Short-day plants respond to unbroken darkness, so nights are not cut at midnight: each belongs to the day in
which it ends. Samples should be at most 15 min apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hortus.domain.figures.light_periods import (
    LONGEST_STEP,
    LightThreshold,
    gaps_of,
    light_periods,
    night_breaks,
    without,
)
from hortus.domain.figures.samples import Period, Sample, usable

_LONG_DARK = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Photoperiod:
    """The light and dark of a day."""

    light: tuple[Period, ...]
    """All light of the day, night breaks included."""
    night_breaks: tuple[Period, ...]
    night: tuple[Period, ...]
    """The dark before the first light that begins in the day, night breaks left out; empty if unknown."""
    longest_dark: Period | None
    """Up to the end of the day. None if it was never dark, or if it is unknown."""
    is_dark_known: bool
    """False if samples are missing in what could be the longest dark, or its start if it is below 24 h."""
    coverage: float
    left_out: int

    @property
    def light_hours(self) -> float:
        """The hours of light, night breaks included."""
        return sum(each.seconds for each in self.light) / 3600

    @property
    def main_light(self) -> list[Period]:
        """The light of the day without night breaks."""
        return _apart_from(self.light, self.night_breaks)

    @property
    def first_light(self) -> datetime | None:
        """When the main light begins."""
        return self.main_light[0].start if self.main_light else None

    @property
    def last_light(self) -> datetime | None:
        """When the main light ends."""
        return self.main_light[-1].end if self.main_light else None

    @property
    def longest_dark_hours(self) -> float | None:
        """The longest unbroken dark; None if unknown, 0 in continuous light."""
        if not self.is_dark_known:
            return None
        return self.longest_dark.seconds / 3600 if self.longest_dark else 0.0


def photoperiod(samples: Iterable[Sample], day: Period, threshold: LightThreshold) -> Photoperiod:
    """Return the photoperiod from samples of the day and of the 24 hours before it; later ones are not used."""
    found = usable(samples, threshold.limits)
    known = _until(found.samples, day.end)
    window = Period(min(known[0].at, day.start) if known else day.start, day.end)
    light, gaps = light_periods(known, threshold), gaps_of(known, window)
    breaks = night_breaks(light, window)
    longest = max(_darks(light, window, day), key=lambda each: each.seconds, default=None)
    is_known = longest is None or _is_known(longest, light, gaps)
    return Photoperiod(
        light=_inside(light, day),
        night_breaks=_inside(breaks, day),
        night=_night(light, breaks, gaps, day),
        longest_dark=longest if is_known else None,
        is_dark_known=is_known,
        coverage=1 - sum(each.seconds for each in _inside(gaps, day)) / day.seconds,
        left_out=found.left_out,
    )


def _until(samples: Sequence[Sample], end: datetime) -> list[Sample]:
    """Return the samples before the end of the day, and the last one again at the end if it lasts."""
    known = [each for each in samples if each.at < end]
    if known and end - known[-1].at <= LONGEST_STEP:
        known.append(Sample(end, known[-1].value))
    return known


def _darks(light: Sequence[Period], window: Period, day: Period) -> list[Period]:
    return [each for each in without(window, light) if each.end > day.start]


def _is_known(dark: Period, light: Sequence[Period], gaps: Sequence[Period]) -> bool:
    if any(dark.shared_with(gap) for gap in gaps):
        return False
    return any(each.end == dark.start for each in light) or dark.end - dark.start >= _LONG_DARK


def _night(
    light: Sequence[Period], breaks: Sequence[Period], gaps: Sequence[Period], day: Period
) -> tuple[Period, ...]:
    main = _apart_from(light, breaks)
    index = next((index for index, each in enumerate(main) if each.start >= day.start), 0)
    if index == 0:
        return ()
    night = Period(main[index - 1].end, main[index].start)
    return () if _inside(gaps, night) else tuple(without(night, light))


def _apart_from(periods: Sequence[Period], others: Sequence[Period]) -> list[Period]:
    return [each for each in periods if not any(each.shared_with(other) for other in others)]


def _inside(periods: Sequence[Period], window: Period) -> tuple[Period, ...]:
    return tuple(shared for each in periods if (shared := each.shared_with(window)))
