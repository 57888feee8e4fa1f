"""The values for which figures are defined. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hortus.base.errors import UsageError


class OutOfRange(UsageError):
    """A value for which a figure is not defined."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The usable values of a quantity, both bounds included. NaN and infinity are never usable."""

    name: str
    lowest: float
    highest: float = math.inf

    def hold(self, value: float) -> bool:
        """Return whether a value is usable."""
        return math.isfinite(value) and self.lowest <= value <= self.highest

    def require(self, value: float) -> float:
        """Return the value. Raises OutOfRange if it is not usable."""
        if not self.hold(value):
            raise OutOfRange(f"{self.name} must be from {self.lowest:g} to {self.highest:g}, not {value:g}.")
        return value


TEMPERATURE_CELSIUS = Limits("Temperature (°C)", -60, 80)
HUMIDITY_PERCENT = Limits("Relative humidity (%)", 0, 105)
"""Sensors drift a little above 100 % near saturation; formulas take that as 100 %."""
ILLUMINANCE_LUX = Limits("Illuminance (lx)", 0)
PPFD_UMOL = Limits("Photon flux density (µmol/m²/s)", 0)
CARBON_DIOXIDE_PPM = Limits("Carbon dioxide (ppm)", 300)
"""Without an upper limit: what endangers people must not be left out."""
