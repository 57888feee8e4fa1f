"""The vertical scale of a panel, by the same rules as static/charts/scale.js. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hortus.domain.plants.state import Range
from hortus.http.pages.figures import count, in_full

_AIR = 0.06
_LEAST_SPANS = {"°C": 2.0, "°F": 4.0, "%": 5.0, "ppm": 100.0, "hPa": 5.0}
"""So that noise is no drama."""
_LEAST_SHARE = 1e-9
_LOGARITHMIC_UNIT = "lx"
_LOGARITHMIC_FROM = 1000.0
_TICKS = 5
_DECADES = (0.0, *(10.0**power for power in range(12)))
_MOST_DECADES = 7
_LARGEST = 1e300
"""Differences of larger numbers overflow."""


@dataclass(frozen=True, slots=True)
class Scale:
    """From which value to which; `is_log`: by the inverse hyperbolic sine, which goes through zero."""

    low: float
    high: float
    is_log: bool = False

    def share(self, value: float) -> float:
        """Return where a value lies, from 0 at the bottom to 1 at the top."""
        low, high, at = (self._even(each) for each in (self.low, self.high, value))
        return (at - low) / (high - low)

    def _even(self, value: float) -> float:
        value = _bounded(value, 10 * _LARGEST)
        return math.asinh(value) if self.is_log else value


def scale_of(
    values: Sequence[float], unit: str, band: Range | None = None, *, from_zero: bool = False
) -> Scale:
    """Return the scale that fits these values and some air.

    The target band is included if that at most doubles the span.
    """
    low, high = _bounded(min(values, default=0.0)), _bounded(max(values, default=0.0))
    if unit == _LOGARITHMIC_UNIT and low >= 0 and high / max(low, 1.0) > _LOGARITHMIC_FROM:
        return Scale(0.0 if from_zero else low, high * 1.1, is_log=True)
    low, high = _widened(
        low, high, max(_LEAST_SPANS.get(unit, 0.0), _LEAST_SHARE * max(abs(low), abs(high), 1.0))
    )
    low, high = _with_band(low, high, band)
    air = (high - low) * _AIR
    if from_zero:
        return Scale(min(0.0, low - air if low < 0 else 0.0), max(0.0, high + air))
    return Scale(low - air, high + air)


def _bounded(value: float, largest: float = _LARGEST) -> float:
    return max(-largest, min(largest, value))


def _widened(low: float, high: float, least: float) -> tuple[float, float]:
    if high - low >= least:
        return low, high
    middle = low + (high - low) / 2
    return middle - least / 2, middle + least / 2


def _with_band(low: float, high: float, band: Range | None) -> tuple[float, float]:
    bounds = [] if band is None else [each for each in (band.minimum, band.maximum) if each is not None]
    wide_low, wide_high = min([low, *bounds]), max([high, *bounds])
    return (wide_low, wide_high) if wide_high - wide_low <= 2 * (high - low) else (low, high)


def ticks_of(scale: Scale) -> list[tuple[float, str]]:
    """Return the values to label and their labels, the lowest first."""
    if scale.is_log:
        decades = [each for each in _DECADES if scale.low <= each <= scale.high]
        # Far more light than there is has a label for every other decade only.
        return [(each, count(int(each))) for each in decades[:: -(-len(decades) // _MOST_DECADES) or 1]]
    step = _nice((scale.high - scale.low) / _TICKS)
    first = math.ceil(scale.low / step)
    places = max(0, -math.floor(math.log10(step) + 1e-9))
    number = min(2 * _TICKS, math.floor(scale.high / step) - first + 1)
    return [(each, _label(each, places)) for each in ((first + i) * step for i in range(number))]


def _nice(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    for factor in (1, 2, 5):
        if rough <= factor * power:
            return factor * power
    return 10 * power


def _label(value: float, places: int) -> str:
    if abs(value) >= 10_000_000 or places > 6:
        return f"{value:.3g}".replace("-", "−", 1)
    return "0" if round(value, places) == 0 else in_full(value, places)
