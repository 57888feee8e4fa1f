"""Means of whole hours, on which temperature sums are built. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from hortus.domain.figures.integration import integrate
from hortus.domain.figures.samples import Period, Usable, hours_of


@dataclass(frozen=True, slots=True)
class HourlyMean:
    """The mean of an hour, None below a coverage of 0.75. The last hour of a day may be shorter."""

    seconds: float
    mean: float | None

    @property
    def hours(self) -> float:
        """Its length in hours."""
        return self.seconds / 3600


def hourly_means(usable: Usable, day: Period, interval_seconds: float) -> list[HourlyMean]:
    """Return the mean of each hour of a day: 23, 24 or 25 of them, counted from its start."""
    return [_hourly_mean(usable, hour, interval_seconds) for hour in hours_of(day)]


def _hourly_mean(usable: Usable, hour: Period, interval_seconds: float) -> HourlyMean:
    mean = integrate(usable, [hour], interval_seconds).mean
    # Rounded, so that a steady 7.2 °C is not taken for less by an error of the last digit.
    return HourlyMean(hour.seconds, None if mean is None else round(mean, 9))
