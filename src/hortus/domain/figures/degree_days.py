"""Growing degree days from the hours of a day, and their running total. Pure.

A degree day is an excess of 1 K over the base temperature for 24 hours. Targets that were published with
another method need that one: see `degree_day_methods`. Sources: McMaster & Wilhelm 1997, Agric. For. Meteorol.
87:291; Zalom et al. 1983, UC leaflet 21373.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import fsum, inf

from hortus.domain.figures.hourly import HourlyMean, hourly_means
from hortus.domain.figures.integration import ENOUGH
from hortus.domain.figures.limits import Limits, OutOfRange
from hortus.domain.figures.samples import Period, Sample, usable

TEMPERATURE_CELSIUS = Limits("Temperature for degree days (°C)", -40, 60)
_HOURS_OF_A_DEGREE_DAY = 24


class CutOff(StrEnum):
    """How growth goes on above the upper temperature."""

    NONE = "none"
    HORIZONTAL = "horizontal"
    """As fast as at the upper temperature."""
    INTERMEDIATE = "intermediate"
    """Slower by as much as the upper temperature is exceeded."""
    VERTICAL = "vertical"
    """Not at all."""


@dataclass(frozen=True, slots=True)
class Growth:
    """Between which temperatures, in °C, something grows. Raises OutOfRange unless base < upper."""

    base_celsius: float
    upper_celsius: float = inf

    def __post_init__(self) -> None:
        if not self.base_celsius < self.upper_celsius:
            raise OutOfRange("The upper temperature must be above the base temperature.")


@dataclass(frozen=True, slots=True, kw_only=True)
class DegreeDays:
    """The degree days of a day in °C d; None if less than 0.75 of it was measured. Never scaled by coverage."""

    degree_days: float | None
    coverage: float
    left_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTotal:
    """Degree days since a start, and how many days are missing or were estimated."""

    degree_days: float
    missing_days: int
    estimated_days: int


def degree_days_of_day(
    temperature_celsius: Iterable[Sample],
    day: Period,
    interval_seconds: float,
    growth: Growth,
    cut_off: CutOff = CutOff.HORIZONTAL,
) -> DegreeDays:
    """Return the degree days of a local day from temperatures in °C, −40 to 60, by the means of its hours."""
    found = usable(temperature_celsius, TEMPERATURE_CELSIUS)
    hours = hourly_means(found, day, interval_seconds)
    coverage = fsum(each.seconds for each in hours if each.mean is not None) / day.seconds
    return DegreeDays(
        degree_days=degree_days_of_hours(hours, growth, cut_off) if coverage >= ENOUGH else None,
        coverage=coverage,
        left_out=found.left_out,
    )


def degree_days_of_hours(
    hours: Iterable[HourlyMean], growth: Growth, cut_off: CutOff = CutOff.HORIZONTAL
) -> float:
    """Return the degree days of some hours, in °C d. Hours without a mean add nothing."""
    return fsum(
        growing_kelvin(each.mean, growth, cut_off) * each.hours / _HOURS_OF_A_DEGREE_DAY
        for each in hours
        if each.mean is not None
    )


def growing_kelvin(celsius: float, growth: Growth, cut_off: CutOff) -> float:
    """Return what a temperature counts above the base, in K; never negative."""
    above = max(0.0, celsius - growth.base_celsius)
    too_much = max(0.0, celsius - growth.upper_celsius)
    match cut_off:
        case CutOff.NONE:
            return above
        case CutOff.HORIZONTAL:
            return above - too_much
        case CutOff.INTERMEDIATE:
            return max(0.0, above - 2 * too_much)
        case CutOff.VERTICAL:
            return 0.0 if too_much else above


def run_total(days: Sequence[float | None], fill_gaps: bool = False) -> RunTotal:
    """Return the sum of days, each None if it has no value.

    With `fill_gaps`, a day without value gets the mean of its two neighbours if both have one.
    """
    fillings = [_mean_of_neighbours(days, index) for index, each in enumerate(days) if each is None]
    estimates = [each for each in fillings if each is not None and fill_gaps]
    return RunTotal(
        degree_days=fsum([*(each for each in days if each is not None), *estimates]),
        missing_days=len(fillings) - len(estimates),
        estimated_days=len(estimates),
    )


def _mean_of_neighbours(days: Sequence[float | None], index: int) -> float | None:
    if not 0 < index < len(days) - 1:
        return None
    before, after = days[index - 1], days[index + 1]
    return None if before is None or after is None else (before + after) / 2
