"""Electrical conductivity of solutions, and of the water in the pores of a substrate. Pure.

All conductivities are in dS/m, which is the same as mS/cm.
"""

from __future__ import annotations

from hortus.domain.figures.limits import Limits, OutOfRange

NUTRIENT_SOLUTION_PER_KELVIN = 0.02
POTASSIUM_CHLORIDE_PER_KELVIN = 0.0191
"""As in Standard Methods 2510 and many meters (from memory)."""

HILHORST_OFFSET = 4.1
SOILLESS_OFFSET = 6.0
"""As the manuals of Decagon recommend."""

_DS_PER_M = {"dS/m": 1.0, "mS/cm": 1.0, "µS/cm": 0.001, "S/m": 10.0}
_CONDUCTIVITY = Limits("Conductivity (dS/m)", 0, 20)
_SOLUTION_CELSIUS = Limits("Temperature of the solution (°C)", 5, 40)
_PER_KELVIN = Limits("Temperature coefficient (1/K)", 0.01, 0.03)
_OFFSET = Limits("Permittivity at a conductivity of 0", 1.9, 7.6)
_WATER_CONTENT = Limits("Water content for pore water (m³/m³)", 0.10, 1)
_PERMITTIVITY_ABOVE_OFFSET = 2.0


def in_ds_per_m(value: float, unit: str) -> float:
    """Return a conductivity given in dS/m, mS/cm, µS/cm or S/m. Raises OutOfRange for other units.

    "ppm" is refused: makers mean 500, 640 or 700 per mS/cm by it.
    """
    if unit not in _DS_PER_M:
        raise OutOfRange(f"Conductivity must be in {', '.join(_DS_PER_M)}, not {unit}.")
    return value * _DS_PER_M[unit]


def conductivity_at_25_celsius(
    conductivity: float,
    solution_celsius: float,
    *,
    is_compensated: bool,
    per_kelvin: float = NUTRIENT_SOLUTION_PER_KELVIN,
) -> float:
    """Return what a solution would conduct at 25 °C, in dS/m; unchanged if the meter has compensated already.

    From 0 to 20 dS/m, 5 to 40 °C of the solution (not of the air), and 1 to 3 % per K; otherwise OutOfRange is
    raised.
    """
    measured = _CONDUCTIVITY.require(conductivity)
    if is_compensated:
        return measured
    above_25 = _SOLUTION_CELSIUS.require(solution_celsius) - 25
    return measured / (1 + _PER_KELVIN.require(per_kelvin) * above_25)


def pore_water_conductivity(
    bulk_conductivity: float,
    bulk_permittivity: float,
    celsius: float,
    water_content: float | None = None,
    offset: float = HILHORST_OFFSET,
) -> float:
    """Return the conductivity of the water in the pores, in dS/m, within 20 % in moist media.

    Not the same as that of drain water or of a saturated extract. Raises OutOfRange where it is too dry: below
    a water content of 0.10 m³/m³, if known, or with a permittivity not 2 above the offset. Near that limit, the
    choice of the offset (1.9 to 7.6) changes the result by half. Source: Hilhorst 2000, Soil Sci. Soc. Am. J.
    64:1922.
    """
    if water_content is not None:
        _WATER_CONTENT.require(water_content)
    above = bulk_permittivity - _OFFSET.require(offset)
    if not above > _PERMITTIVITY_ABOVE_OFFSET:
        raise OutOfRange("The substrate is too dry to compute the conductivity of its water.")
    of_water = 80.3 - 0.37 * (_SOLUTION_CELSIUS.require(celsius) - 20)
    return of_water * _CONDUCTIVITY.require(bulk_conductivity) / above
