"""Water vapour in the air, from temperature and relative humidity. Pure.

One formula of the saturation vapour pressure serves all figures, or dew point and deficit would contradict each
other. It holds over water, below 0 °C too, because hygrometers report humidity over water. It is meant for −20
to 60 °C; against Wagner & Pruss (1993) it is at most 0.13 % too low from 0 to 45 °C.

Humidity is relative, in %, 0 to 105; values above 100 count as 100. Temperatures are in °C, −60 to 80. All
functions raise OutOfRange for other values. A value of 0 is a value.
"""

from __future__ import annotations

import math

from hortus.domain.figures.limits import HUMIDITY_PERCENT, TEMPERATURE_CELSIUS, Limits

_DEW_POINT_HUMIDITY_PERCENT = Limits("Relative humidity for a dew point (%)", 1, 105)
_GAS_CONSTANT_OF_VAPOUR = 461.52
"""In J/(kg K)."""
_KELVIN_AT_0_CELSIUS = 273.15


def saturation_vapour_pressure_kpa(temperature_celsius: float) -> float:
    """Return the pressure of water vapour in saturated air, in kPa.

    Source: Allen et al. 1998, FAO Irrigation and Drainage Paper 56, eq. 11 (Tetens 1930).
    """
    celsius = TEMPERATURE_CELSIUS.require(temperature_celsius)
    return 0.6108 * math.exp(17.27 * celsius / (celsius + 237.3))


def vapour_pressure_kpa(temperature_celsius: float, humidity_percent: float) -> float:
    """Return the pressure of the water vapour in the air, in kPa. Source: FAO-56, eq. 10 and 17 to 19."""
    return saturation_vapour_pressure_kpa(temperature_celsius) * _share(humidity_percent)


def air_vpd_kpa(temperature_celsius: float, humidity_percent: float) -> float:
    """Return the vapour pressure deficit of the air, in kPa; never negative.

    Both inputs should come from the same sensor: an error of a shared housing then cancels. Source: FAO-56,
    eq. 10 to 19.
    """
    return saturation_vapour_pressure_kpa(temperature_celsius) * (1 - _share(humidity_percent))


def leaf_vpd_kpa(temperature_celsius: float, humidity_percent: float, leaf_celsius: float) -> float:
    """Return the vapour pressure deficit between leaf and air, in kPa.

    Negative means dew on the leaf. A leaf temperature that is assumed rather than measured (air plus an offset,
    often −1 to −3 K in light) is weak evidence; show it together with that offset. Source: Prenger &
    Ling 2001, Ohio State University AEX-804.
    """
    inside = saturation_vapour_pressure_kpa(leaf_celsius)
    return inside - vapour_pressure_kpa(temperature_celsius, humidity_percent)


def dew_point_celsius(temperature_celsius: float, humidity_percent: float) -> float:
    """Return the temperature at which the air would be saturated, in °C.

    Humidity from 1 %. At 20 °C and 90 %, an error of 2 % moves it by 0.35 K. Source: FAO-56, eq. 14, inverted.
    """
    celsius = TEMPERATURE_CELSIUS.require(temperature_celsius)
    share = _share(_DEW_POINT_HUMIDITY_PERCENT.require(humidity_percent))
    if share == 1:
        return celsius
    exponent = math.log(share) + 17.27 * celsius / (237.3 + celsius)
    return 237.3 * exponent / (17.27 - exponent)


def dew_point_margin_kelvin(
    temperature_celsius: float, humidity_percent: float, surface_celsius: float
) -> float:
    """Return by how much a surface (leaf, glass, fruit) is warmer than the dew point, in K.

    Water condenses at 0 and below; a margin under 0.5 K is within the error of sensors. With the temperature of
    the air as surface, this is the dew-point depression.
    """
    surface = TEMPERATURE_CELSIUS.require(surface_celsius)
    return surface - dew_point_celsius(temperature_celsius, humidity_percent)


def absolute_humidity_g_per_m3(temperature_celsius: float, humidity_percent: float) -> float:
    """Return the mass of water vapour in the air, in g/m³. Source: ideal gas law."""
    pascal = 1000 * vapour_pressure_kpa(temperature_celsius, humidity_percent)
    return 1000 * pascal / (_GAS_CONSTANT_OF_VAPOUR * (temperature_celsius + _KELVIN_AT_0_CELSIUS))


def humidity_deficit_g_per_m3(temperature_celsius: float, humidity_percent: float) -> float:
    """Return how much more water vapour the air could hold, in g/m³; never negative."""
    saturated = absolute_humidity_g_per_m3(temperature_celsius, 100)
    return saturated - absolute_humidity_g_per_m3(temperature_celsius, humidity_percent)


def _share(humidity_percent: float) -> float:
    return min(HUMIDITY_PERCENT.require(humidity_percent), 100.0) / 100
