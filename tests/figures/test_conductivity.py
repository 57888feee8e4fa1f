"""Conductivity at 25 °C, and that of the water in pores."""

from __future__ import annotations

from math import nan

import pytest

from hortus.domain.figures.conductivity import (
    POTASSIUM_CHLORIDE_PER_KELVIN,
    SOILLESS_OFFSET,
    conductivity_at_25_celsius,
    in_ds_per_m,
    pore_water_conductivity,
)
from hortus.domain.figures.limits import OutOfRange


@pytest.mark.parametrize(
    ("measured", "celsius", "at_25", "by_potassium_chloride"),
    [(1.80, 20, 2.0000, 1.99005), (1.80, 25, 1.80, 1.80), (2.0, 30, 1.8182, 1.8257), (1.2, 15, 1.5, 1.4833)],
)
def test_conductivity_at_25_degrees(
    measured: float, celsius: float, at_25: float, by_potassium_chloride: float
) -> None:
    found = [
        conductivity_at_25_celsius(measured, celsius, is_compensated=False, per_kelvin=each)
        for each in (0.02, POTASSIUM_CHLORIDE_PER_KELVIN)
    ]
    assert found == pytest.approx([at_25, by_potassium_chloride], abs=5e-5)


def test_conductivity_is_not_compensated_twice() -> None:
    assert conductivity_at_25_celsius(1.8, 20, is_compensated=True) == 1.8


@pytest.mark.parametrize(("measured", "celsius"), [(-0.1, 20), (20.1, 20), (1, 4.9), (1, 40.1), (nan, 20)])
def test_impossible_conductivities_are_refused(measured: float, celsius: float) -> None:
    with pytest.raises(OutOfRange):
        conductivity_at_25_celsius(measured, celsius, is_compensated=False)


def test_units_of_conductivity_and_the_refusal_of_ppm() -> None:
    units = {"dS/m": 1.5, "mS/cm": 1.5, "µS/cm": 1500, "S/m": 0.15}
    assert [in_ds_per_m(value, unit) for unit, value in units.items()] == pytest.approx([1.5] * 4)
    with pytest.raises(OutOfRange):
        in_ds_per_m(750, "ppm")


@pytest.mark.parametrize(
    ("bulk", "permittivity", "celsius", "hilhorst", "soilless"),
    [(0.5, 25, 20, 1.921, 2.113), (0.8, 40, 25, 1.748, 1.846), (0.2, 10, 20, 2.722, 4.015)],
)
def test_pore_water_conductivity(
    bulk: float, permittivity: float, celsius: float, hilhorst: float, soilless: float
) -> None:
    found = pore_water_conductivity(bulk, permittivity, celsius)
    assert found == pytest.approx(hilhorst, abs=5e-4)
    found = pore_water_conductivity(bulk, permittivity, celsius, offset=SOILLESS_OFFSET)
    assert found == pytest.approx(soilless, abs=5e-4)


def test_dry_substrate_has_no_pore_water_conductivity() -> None:
    with pytest.raises(OutOfRange, match="dry"):
        pore_water_conductivity(0.1, 6.5, 20, offset=SOILLESS_OFFSET)
    with pytest.raises(OutOfRange, match="dry"):
        pore_water_conductivity(0.1, 6.0, 20)
    with pytest.raises(OutOfRange, match="Water content"):
        pore_water_conductivity(0.5, 25, 20, water_content=0.09)
