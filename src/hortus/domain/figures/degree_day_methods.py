"""Growing degree days from the minimum and maximum of a day, as published targets use them. Pure.

Only for comparison with targets of the same method: on one day they differ by up to 83 % (McMaster & Wilhelm
1997, Agric. For. Meteorol. 87:291). All temperatures are in °C, results in °C d.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import StrEnum

from hortus.domain.figures.degree_days import TEMPERATURE_CELSIUS, CutOff, Growth
from hortus.domain.figures.limits import OutOfRange


class Wave(StrEnum):
    """The course of temperature that is assumed for a day."""

    TRIANGLE = "triangle"
    SINE = "sine"


def degree_days_by_mean(minimum_celsius: float, maximum_celsius: float, growth: Growth) -> float:
    """Return by how much the middle of minimum and maximum exceeds the base.

    The upper temperature plays no part. Source: McMaster & Wilhelm 1997, method 1.
    """
    _check(minimum_celsius, maximum_celsius)
    return max(0.0, (minimum_celsius + maximum_celsius) / 2 - growth.base_celsius)


def degree_days_by_clipping(minimum_celsius: float, maximum_celsius: float, growth: Growth) -> float:
    """Return by how much the middle exceeds the base, after both were clipped to base and upper temperature.

    Known as "86/50" for maize. Source: McMaster & Wilhelm 1997, method 2.
    """
    _check(minimum_celsius, maximum_celsius)
    clipped = [
        min(max(each, growth.base_celsius), growth.upper_celsius) for each in (minimum_celsius, maximum_celsius)
    ]
    return sum(clipped) / 2 - growth.base_celsius


def degree_days_by_wave(
    minimum_celsius: float, maximum_celsius: float, growth: Growth, wave: Wave, cut_off: CutOff
) -> float:
    """Return the degree days of one wave per day.

    A vertical cut-off raises OutOfRange, since it can only be computed from hours. Sources: Baskerville & Emin
    1969, Ecology 50:514 (sine); Zalom et al. 1983, UC leaflet 21373.
    """
    _check(minimum_celsius, maximum_celsius)
    area = _AREAS[wave]
    above = area(minimum_celsius, maximum_celsius, growth.base_celsius)
    too_much = area(minimum_celsius, maximum_celsius, growth.upper_celsius)
    match cut_off:
        case CutOff.NONE:
            return above
        case CutOff.HORIZONTAL:
            return above - too_much
        case CutOff.INTERMEDIATE:
            return max(0.0, above - 2 * too_much)
        case CutOff.VERTICAL:
            raise OutOfRange("A vertical cut-off needs the temperatures of hours.")


def _triangle_above(minimum: float, maximum: float, bound: float) -> float:
    if maximum <= bound:
        return 0.0
    if minimum >= bound:
        return (minimum + maximum) / 2 - bound
    return (maximum - bound) ** 2 / (2 * (maximum - minimum))


def _sine_above(minimum: float, maximum: float, bound: float) -> float:
    if maximum <= bound:
        return 0.0
    mean, amplitude = (minimum + maximum) / 2, (maximum - minimum) / 2
    if minimum >= bound:
        return mean - bound
    angle = math.asin((bound - mean) / amplitude)
    return ((mean - bound) * (math.pi / 2 - angle) + amplitude * math.cos(angle)) / math.pi


_AREAS: dict[Wave, Callable[[float, float, float], float]] = {
    Wave.TRIANGLE: _triangle_above,
    Wave.SINE: _sine_above,
}


def _check(minimum_celsius: float, maximum_celsius: float) -> None:
    TEMPERATURE_CELSIUS.require(minimum_celsius)
    TEMPERATURE_CELSIUS.require(maximum_celsius)
    if minimum_celsius > maximum_celsius:
        raise OutOfRange("The minimum of a day cannot be above its maximum.")
