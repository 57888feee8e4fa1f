"""The moisture of a substrate from raw readings, by two points of calibration. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from hortus.base.errors import UsageError
from hortus.domain.figures.limits import Limits

_NARROW_SHARE = 0.05
_TRUSTED_PERCENT = (-5.0, 105.0)
_PERMITTIVITY = Limits("Permittivity", 1, 81)
_WATER_CONTENT = Limits("Volumetric water content (m³/m³)", 0, 1)


class CalibrationRefused(UsageError):
    """Two points that do not make a calibration."""


class Ends(StrEnum):
    """In what the two ends were measured. These are different scales, not to be compared with each other."""

    SUBSTRATE = "substrate"
    """Air-dry substrate, and watered and drained substrate."""
    AIR_AND_WATER = "airAndWater"


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The raw readings at both ends. Raw may fall with moisture, as that of capacitive probes does.

    Raises CalibrationRefused if they are the same, or not finite.
    """

    raw_dry: float
    raw_wet: float
    ends: Ends

    def __post_init__(self) -> None:
        if not (math.isfinite(self.raw_dry) and math.isfinite(self.raw_wet)):
            raise CalibrationRefused("Both ends of a calibration must be numbers.")
        if self.raw_dry == self.raw_wet:
            raise CalibrationRefused("The dry and the wet end must differ.")

    def is_narrow(self, raw_range: float) -> bool:
        """Return whether the ends differ by less than 5 % of the converter's range, worth a warning."""
        return abs(self.raw_wet - self.raw_dry) < _NARROW_SHARE * raw_range


def percent_of_span(raw: float, calibration: Calibration) -> float:
    """Return the moisture in % of the calibrated span, not clamped, as it is stored."""
    return 100 * _share(raw, calibration)


def shown_percent(percent: float) -> float:
    """Return a % of span clamped to 0 to 100, as it is shown."""
    return max(0.0, min(100.0, percent))


def should_be_calibrated_again(percent: float) -> bool:
    """Return whether a % of span lies so far outside that the calibration no longer fits."""
    lowest, highest = _TRUSTED_PERCENT
    return not lowest <= percent <= highest


def water_content_by_calibration(
    raw: float, calibration: Calibration, content_dry: float, content_wet: float
) -> float:
    """Return the volumetric water content in m³/m³, from the known contents at both ends; not clamped.

    Raises OutOfRange for contents outside 0 to 1, and CalibrationRefused unless wet is wetter than dry.
    """
    if not _WATER_CONTENT.require(content_dry) < _WATER_CONTENT.require(content_wet):
        raise CalibrationRefused("The wet end must hold more water than the dry end.")
    return content_dry + _share(raw, calibration) * (content_wet - content_dry)


def water_content_by_permittivity(permittivity: float) -> float:
    """Return the volumetric water content of mineral soil in m³/m³, within 0.01 to 0.03; permittivity 1 to 81.

    Not for peat, coir or stone wool. Slightly negative in air. Source: Topp, Davis & Annan 1980, Water Resour.
    Res. 16:574.
    """
    e = _PERMITTIVITY.require(permittivity)
    return -0.053 + 0.0292 * e - 5.5e-4 * e**2 + 4.3e-6 * e**3


def _share(raw: float, calibration: Calibration) -> float:
    return (raw - calibration.raw_dry) / (calibration.raw_wet - calibration.raw_dry)
