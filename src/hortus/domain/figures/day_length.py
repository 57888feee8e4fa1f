"""The length of a day from the sun. Pure.

Only for comparison: indoors, lamps and curtains decide (see `photoperiod`).
"""

from __future__ import annotations

import math
from datetime import date

from hortus.domain.figures.limits import Limits

CENTRE_OF_SUN_DEGREES = 0.0
"""As in FAO-56."""
SUNRISE_DEGREES = -0.833
"""As in almanacs: the upper edge of the sun, with refraction."""
CIVIL_TWILIGHT_DEGREES = -6.0
"""Near what plants perceive as light."""

_LATITUDE_DEGREES = Limits("Latitude (°)", -90, 90)


def day_length_hours(
    latitude_degrees: float, day: date, sun_altitude_degrees: float = CENTRE_OF_SUN_DEGREES
) -> float:
    """Return for how many hours the sun is above an altitude: 0 in the polar night, 24 in the polar day.

    Latitude −90 to 90, north positive. Source: Allen et al. 1998, FAO-56, eq. 24, 25 and 34.
    """
    latitude = math.radians(_LATITUDE_DEGREES.require(latitude_degrees))
    declination = 0.409 * math.sin(2 * math.pi * day.timetuple().tm_yday / 365 - 1.39)
    above = math.sin(math.radians(sun_altitude_degrees)) - math.sin(latitude) * math.sin(declination)
    cosine = above / (math.cos(latitude) * math.cos(declination))
    return 24 / math.pi * math.acos(max(-1.0, min(1.0, cosine)))
