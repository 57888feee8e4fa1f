"""Enrichment with carbon dioxide: how long, and how much, in light. Pure.

The figures are our own; growing guides name 700 to 1,000 ppm (weak evidence).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hortus.domain.figures.integration import extremes, integrate
from hortus.domain.figures.limits import CARBON_DIOXIDE_PPM, Limits
from hortus.domain.figures.samples import Period, Sample, usable
from hortus.domain.figures.thresholds import excess_above, seconds_at_or_above

ENRICHED_PPM = 800.0
OUTDOOR_PPM = 420.0
_DANGEROUS_PPM = 5000.0
_STANDARD_HPA = 1013.25
_PRESSURE_HPA = Limits("Air pressure (hPa)", 500, 1100)
_MEASURED_PPM = Limits("Carbon dioxide as measured (ppm)", 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrichment:
    """The enrichment in the light of a day. Gaps are not counted."""

    enriched_hours: float
    light_hours: float
    """Of these, `coverage` was measured."""
    dose_ppm_hours: float
    """What exceeded the air outdoors, times hours."""
    highest_ppm: float | None
    """In light."""
    coverage: float
    left_out: int

    @property
    def share_of_light(self) -> float | None:
        """The enriched share of the light hours, 0 to 1; None without light."""
        return self.enriched_hours / self.light_hours if self.light_hours else None

    @property
    def is_dangerous(self) -> bool:
        """Whether it rose above the limit for people, 5,000 ppm over 8 h."""
        return self.highest_ppm is not None and self.highest_ppm > _DANGEROUS_PPM


def enrichment(
    carbon_dioxide_ppm: Iterable[Sample],
    light: Sequence[Period],
    interval_seconds: float,
    enriched_ppm: float = ENRICHED_PPM,
    outdoor_ppm: float = OUTDOOR_PPM,
) -> Enrichment:
    """Return the enrichment in periods of light, from readings in ppm, at least 300."""
    found = usable(carbon_dioxide_ppm, CARBON_DIOXIDE_PPM)
    whole = integrate(found, light, interval_seconds)
    range_ppm = extremes(found.samples, light)
    return Enrichment(
        enriched_hours=seconds_at_or_above(found, light, interval_seconds, enriched_ppm) / 3600,
        light_hours=whole.seconds / 3600,
        dose_ppm_hours=excess_above(found, light, interval_seconds, outdoor_ppm) / 3600,
        highest_ppm=None if range_ppm is None else range_ppm[1],
        coverage=whole.coverage,
        left_out=found.left_out,
    )


def ppm_at_standard_pressure(measured_ppm: float, pressure_hpa: float) -> float:
    """Return the reading of an infrared sensor without pressure input, corrected for 500 to 1,100 hPa.

    Such sensors read low at altitude. Raises OutOfRange.
    """
    return _MEASURED_PPM.require(measured_ppm) * _STANDARD_HPA / _PRESSURE_HPA.require(pressure_hpa)
