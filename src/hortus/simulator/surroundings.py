"""The surroundings of a virtual chamber at any moment: sun, room climate, air pressure.

Everything here is a stateless function of time and seed. That is why a season of history ends exactly where a
live kit begins: both query the same moment and get the same weather.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

OUTSIDE_CARBON_DIOXIDE_PPM = 420.0
DAY_SECONDS = 86_400.0
YEAR_SECONDS = 365.2425 * DAY_SECONDS

# Full sun at noon near the equator, on a horizontal surface, in lux.
_FULL_SUN_LUX = 110_000.0

_MASK = (1 << 64) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The location of a chamber, and the kind of room.

    `window_fraction` is the share of outdoor daylight that reaches the plants (0 = cellar, 0.1 = sunny sill).
    `room_daily_swing_celsius` is half the difference between the warmest and the coolest hour.
    """

    seed: int
    latitude_degrees: float = 52.0
    longitude_degrees: float = 5.0
    altitude_metres: float = 10.0
    room_temperature_celsius: float = 19.5
    room_daily_swing_celsius: float = 2.0
    window_fraction: float = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The room and the sky at one moment; vapour is absolute humidity."""

    temperature_celsius: float
    vapour_grams_per_cubic_metre: float
    pressure_hpa: float
    daylight_lux: float


def surroundings_at(site: Site, time_seconds: float) -> Surroundings:
    """Return the surroundings of the chamber at this moment (seconds since the Unix epoch)."""
    season = math.cos(2 * math.pi * (time_seconds / YEAR_SECONDS - 0.54))  # +1 in mid July, northern half
    if site.latitude_degrees < 0:
        season = -season
    # The warmest hour of a room is about three hours after the highest sun.
    day = math.cos(2 * math.pi * (solar_hour(site, time_seconds) - 15) / 24)
    temperature_celsius = (
        site.room_temperature_celsius
        + 2.0 * season
        + site.room_daily_swing_celsius * day
        + 1.2 * _weather(site.seed, 1, time_seconds, 3 * DAY_SECONDS)
    )
    vapour = 8.0 + 2.0 * season + 1.2 * _weather(site.seed, 2, time_seconds, 2 * DAY_SECONDS)
    return Surroundings(
        temperature_celsius=temperature_celsius,
        # Inhabited rooms do not stay above 85 % relative humidity for long.
        vapour_grams_per_cubic_metre=min(vapour, 0.85 * saturated_vapour(temperature_celsius)),
        pressure_hpa=_pressure_hpa(site, time_seconds),
        daylight_lux=_daylight_lux(site, time_seconds),
    )


def solar_hour(site: Site, time_seconds: float) -> float:
    """Return the solar hour of the day, 0 to 24; the sun is highest at 12."""
    return ((time_seconds % DAY_SECONDS) / 3600 + site.longitude_degrees / 15) % 24


def saturated_vapour(temperature_celsius: float) -> float:
    """Return the water vapour that air can hold, in g/m³.

    Source: Magnus formula for the saturation pressure, then the ideal gas law for water.
    """
    saturation_pa = 611.2 * math.exp(17.62 * temperature_celsius / (243.12 + temperature_celsius))
    return 2.1667 * saturation_pa / (temperature_celsius + 273.15)


def chance(seed: int, channel: int, index: int) -> float:
    """Return a number in [0, 1) that is always the same for the same arguments."""
    mixed = (seed * 0xD1342543DE82EF95 + channel * 0xA24BAED4963EE407 + index * 0x9E3779B97F4A7C15) & _MASK
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
    return (mixed ^ (mixed >> 31)) / 2**64


_remembered_chance = lru_cache(maxsize=16_384)(chance)


def _weather(seed: int, channel: int, time_seconds: float, period_seconds: float) -> float:
    """Return a smooth random curve in [-1, 1] that turns about once per period."""
    position = time_seconds / period_seconds
    index = math.floor(position)
    part = position - index
    before = _remembered_chance(seed, channel, index)
    after = _remembered_chance(seed, channel, index + 1)
    return 2 * (before + (after - before) * part * part * (3 - 2 * part)) - 1


def _pressure_hpa(site: Site, time_seconds: float) -> float:
    at_sea_level = (
        1014.0
        + 16.0 * _weather(site.seed, 3, time_seconds, 4 * DAY_SECONDS)
        + 3.0 * _weather(site.seed, 4, time_seconds, 0.7 * DAY_SECONDS)
    )
    # Barometric formula for the lowest kilometres; 8,430 m is the scale height of the atmosphere.
    return float(at_sea_level * math.exp(-site.altitude_metres / 8430))


def _daylight_lux(site: Site, time_seconds: float) -> float:
    # Declination of the sun, which crosses the equator around day 80 of the year.
    declination = math.radians(23.44) * math.sin(2 * math.pi * (time_seconds / YEAR_SECONDS - 0.219))
    latitude = math.radians(site.latitude_degrees)
    hour_angle = math.pi * (solar_hour(site, time_seconds) - 12) / 12
    height = math.sin(latitude) * math.sin(declination) + (
        math.cos(latitude) * math.cos(declination) * math.cos(hour_angle)
    )
    if height <= 0:
        return 0.0
    clear = 0.62 + 0.38 * _weather(site.seed, 5, time_seconds, 0.2 * DAY_SECONDS)
    return _FULL_SUN_LUX * height * clear * site.window_fraction
