"""The average daily temperature, and the difference between day and night. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hortus.domain.figures.integration import Integral, integrate
from hortus.domain.figures.limits import TEMPERATURE_CELSIUS
from hortus.domain.figures.samples import Period, Sample, usable

_SHORTEST_PART_SECONDS = 3 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class DayAndNight:
    """The mean temperatures in light and dark, in °C; None for a part below 3 h or a coverage of 0.75."""

    light_celsius: float | None
    dark_celsius: float | None
    left_out: int

    @property
    def dif_kelvin(self) -> float | None:
        """Light minus dark; negative if nights are warmer. Source: Erwin et al. 1989, Am. J. Bot. 76:47."""
        if self.light_celsius is None or self.dark_celsius is None:
            return None
        return self.light_celsius - self.dark_celsius


def average_daily_temperature(
    temperature_celsius: Iterable[Sample], day: Period, interval_seconds: float
) -> Integral:
    """Return the temperature integrated over a local day, whose `mean` in °C is the average (ADT).

    It is weighted by time, which is not the middle of minimum and maximum.
    """
    return integrate(usable(temperature_celsius, TEMPERATURE_CELSIUS), [day], interval_seconds)


def day_and_night(
    temperature_celsius: Iterable[Sample],
    light: Sequence[Period],
    dark: Sequence[Period],
    interval_seconds: float,
) -> DayAndNight:
    """Return the mean temperatures of the light and of the dark.

    Light and dark as `photoperiod` measured them: its `main_light`, and the `night` before it.
    """
    found = usable(temperature_celsius, TEMPERATURE_CELSIUS)
    return DayAndNight(
        light_celsius=_mean(integrate(found, light, interval_seconds)),
        dark_celsius=_mean(integrate(found, dark, interval_seconds)),
        left_out=found.left_out,
    )


def _mean(part: Integral) -> float | None:
    return part.mean if part.seconds >= _SHORTEST_PART_SECONDS else None
