"""The daily light integral. Pure.

Source: Korczynski, Logan & Faust 2002, HortTechnology 12:12. Readings should be at most 15 min apart; hourly
ones err by about 0.4 % on a clear day. Days of 23 and 25 hours are not normalised. Indoors 0 to 30 mol/m² are
usual, outdoors up to 60.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hortus.domain.figures.integration import Integral, integrate
from hortus.domain.figures.lamps import LightFactor, NeedsCalibration
from hortus.domain.figures.limits import ILLUMINANCE_LUX, PPFD_UMOL
from hortus.domain.figures.samples import Period, Sample, usable

_UMOL_PER_MOL = 1e6
_MOST_PLAUSIBLE_MOL = 65.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyLight:
    """The light of a day, in mol/m², with the share of the day that was measured."""

    mol_per_m2: float
    coverage: float
    is_at_least: bool
    """Part of the day was not measured, or the sensor was at its limit."""
    left_out: int
    factor: LightFactor | None = None
    """What illuminance was multiplied by; None if photon flux was measured."""

    @property
    def is_plausible(self) -> bool:
        """Whether it is no more than the sun can give, 65 mol/m²."""
        return self.mol_per_m2 <= _MOST_PLAUSIBLE_MOL


def daily_light_integral(ppfd_umol: Iterable[Sample], day: Period, interval_seconds: float) -> DailyLight:
    """Return the daily light integral from photon flux densities in µmol/m²/s, from 0."""
    integral = integrate(usable(ppfd_umol, PPFD_UMOL), [day], interval_seconds)
    return _daily_light(integral, 1.0)


def daily_light_integral_from_lux(
    illuminance_lux: Iterable[Sample],
    day: Period,
    interval_seconds: float,
    factor: LightFactor,
    sensor_limit_lux: float | None = None,
) -> DailyLight:
    """Return the daily light integral from illuminances in lx, from 0.

    A reading at the sensor's limit makes the result a lower bound. Raises NeedsCalibration for kinds of light
    whose factor must be measured.
    """
    if factor.needs_calibration:
        raise NeedsCalibration("Lux says too little about this lamp. Calibrate it with a quantum sensor first.")
    lux = usable(illuminance_lux, ILLUMINANCE_LUX)
    is_clipped = sensor_limit_lux is not None and any(
        each.value >= sensor_limit_lux for each in lux.samples if day.start <= each.at < day.end
    )
    return _daily_light(integrate(lux, [day], interval_seconds), factor.umol_per_lux, factor, is_clipped)


def _daily_light(
    integral: Integral,
    umol_per_unit: float,
    factor: LightFactor | None = None,
    is_clipped: bool = False,
) -> DailyLight:
    return DailyLight(
        mol_per_m2=integral.total * umol_per_unit / _UMOL_PER_MOL,
        coverage=integral.coverage,
        is_at_least=integral.is_at_least or is_clipped,
        left_out=integral.left_out,
        factor=factor,
    )
