"""The nights at a place, by the sunrise equation. Pure.

Good to a few minutes, which is a pixel. The sun counts as down when its upper edge is, with the usual
refraction.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from math import acos, asin, cos, degrees, radians, sin, tau

from hortus.domain.series.charts import EPOCH, Span

_LONGEST = timedelta(days=14)
"""In longer ranges nights would be stripes."""

_SHORTEST = timedelta(minutes=1)
"""Days are not of quite equal length, so that seconds are left between two without a night."""

_DAY = timedelta(days=1)
_J2000 = EPOCH + timedelta(days=10_957, hours=12)
_HORIZON = radians(-0.833)
_TILT = radians(23.4397)


def nights_within(latitude: float, longitude: float, span: Span) -> list[Span]:
    """Return the nights within a span, cut to it; none if it is longer than two weeks."""
    if span.end - span.start > _LONGEST:
        return []
    nights: list[Span] = []
    dark_since = span.start
    first = (span.start - _J2000) // _DAY - 1
    for day in range(first, first + (span.end - span.start) // _DAY + 4):
        light = _daylight(latitude, longitude, day)
        if light is None or light.end <= span.start:
            continue
        if light.start > dark_since:
            nights.append(Span(dark_since, min(light.start, span.end)))
        dark_since = max(dark_since, light.end)
        if dark_since >= span.end:
            break
    else:
        nights.append(Span(dark_since, span.end))
    return [night for night in nights if night.end - night.start > _SHORTEST]


def _daylight(latitude: float, longitude: float, day: int) -> Span | None:
    """Return the time from sunrise to sunset of a day since 2000; None if the sun does not rise."""
    solar_day = day - longitude / 360
    anomaly = radians((357.5291 + 0.98560028 * solar_day) % 360)
    centre = 1.9148 * sin(anomaly) + 0.02 * sin(2 * anomaly) + 0.0003 * sin(3 * anomaly)
    ecliptic = (anomaly + radians(centre + 180 + 102.9372)) % tau
    noon = _moment(solar_day + 0.0053 * sin(anomaly) - 0.0069 * sin(2 * ecliptic))
    declination = asin(sin(ecliptic) * sin(_TILT))
    north = radians(latitude)
    divisor = cos(north) * cos(declination)
    height = sin(_HORIZON) - sin(north) * sin(declination)
    if height >= abs(divisor):
        return None
    half = timedelta(days=0.5 if height <= -abs(divisor) else degrees(acos(height / divisor)) / 360)
    return Span(noon - half, noon + half)


def _moment(solar_day: float) -> datetime:
    return _J2000 + timedelta(days=solar_day)
