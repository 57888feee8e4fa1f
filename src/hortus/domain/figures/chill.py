"""Chill: how much cold a plant had in winter. Pure.

Sources: Weinberger 1950 (hours below 45 °F); Richardson, Seeley & Walker 1974, HortScience 9:331 (Utah units);
Linsley-Noakes et al. 1995 (positive Utah units, for mild winters; from memory).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from math import fsum, inf

from hortus.domain.figures.hourly import HourlyMean, hourly_means
from hortus.domain.figures.limits import TEMPERATURE_CELSIUS
from hortus.domain.figures.samples import Period, Sample, usable

_CHILL_BELOW_CELSIUS = 7.2
_UTAH_UNITS = ((1.4, 0.0), (2.4, 0.5), (9.1, 1.0), (12.4, 0.5), (15.9, 0.0), (18.0, -0.5), (inf, -1.0))
"""Up to which temperature (°C, included) an hour counts how much. Tables in °F elsewhere have other limits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chill:
    """The chill of some hours. Hours without a mean add nothing and are counted as missing."""

    hours_below: float
    """Hours below 7.2 °C."""
    frost_free_hours_below: float
    """Hours above 0 and below 7.2 °C."""
    utah_units: float
    positive_utah_units: float
    missing_hours: float
    left_out: int = 0


def chill_of_day(temperature_celsius: Iterable[Sample], day: Period, interval_seconds: float) -> Chill:
    """Return the chill of a local day from temperatures in °C, −60 to 80, by the means of its hours."""
    found = usable(temperature_celsius, TEMPERATURE_CELSIUS)
    return chill_of_hours(hourly_means(found, day, interval_seconds), found.left_out)


def chill_of_hours(hours: Iterable[HourlyMean], left_out: int = 0) -> Chill:
    """Return the chill of some hours."""
    all_hours = list(hours)
    known = [(each.mean, each.hours) for each in all_hours if each.mean is not None]
    return Chill(
        hours_below=fsum(length for mean, length in known if mean < _CHILL_BELOW_CELSIUS),
        frost_free_hours_below=fsum(length for mean, length in known if 0 < mean < _CHILL_BELOW_CELSIUS),
        utah_units=fsum(utah_units(mean) * length for mean, length in known),
        positive_utah_units=fsum(max(0.0, utah_units(mean)) * length for mean, length in known),
        missing_hours=fsum(each.hours for each in all_hours if each.mean is None),
        left_out=left_out,
    )


def utah_units(celsius: float) -> float:
    """Return what an hour of this mean temperature counts, −1 to 1."""
    return next(units for limit, units in _UTAH_UNITS if celsius <= limit)


def season_start(day: date, latitude_degrees: float) -> date:
    """Return when the season of a day began: 1 October in the north, 1 April in the south (our choice)."""
    month = 10 if latitude_degrees >= 0 else 4
    start = date(day.year, month, 1)
    return start if start <= day else date(day.year - 1, month, 1)
