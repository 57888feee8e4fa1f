"""Vapour pressure, its deficit, dew point and absolute humidity, against published values."""

from __future__ import annotations

from math import nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hortus.domain.figures.humidity import (
    absolute_humidity_g_per_m3,
    air_vpd_kpa,
    dew_point_celsius,
    dew_point_margin_kelvin,
    humidity_deficit_g_per_m3,
    leaf_vpd_kpa,
    saturation_vapour_pressure_kpa,
    vapour_pressure_kpa,
)
from hortus.domain.figures.limits import OutOfRange

temperatures = st.floats(-60, 80)
humidities = st.floats(1, 100)


@pytest.mark.parametrize(
    ("celsius", "kpa"),
    [
        (1, 0.657),
        (5, 0.872),
        (10, 1.228),
        (15, 1.705),
        (18, 2.064),
        (20, 2.338),
        (24.5, 3.075),
        (25, 3.168),
        (30, 4.243),
        (40, 7.376),
    ],
)
def test_saturation_vapour_pressure_is_that_of_fao_56_table_2_3(celsius: float, kpa: float) -> None:
    assert saturation_vapour_pressure_kpa(celsius) == pytest.approx(kpa, abs=0.0011)


@pytest.mark.parametrize(
    ("celsius", "kpa"),
    [
        (-5, 0.421176),
        (0, 0.6108),
        (1, 0.65671),
        (5, 0.872311),
        (10, 1.22796),
        (15, 1.70535),
        (18, 2.06399),
        (20, 2.33828),
        (24.5, 3.07465),
        (25, 3.16778),
        (30, 4.24307),
        (35, 5.62268),
        (40, 7.37561),
        (45, 9.58248),
    ],
)
def test_saturation_vapour_pressure_follows_the_formula_below_zero_too(celsius: float, kpa: float) -> None:
    assert saturation_vapour_pressure_kpa(celsius) == pytest.approx(kpa, rel=3e-6)


@pytest.mark.parametrize(
    ("celsius", "kpa"),
    [
        (5, 0.87253),
        (10, 1.22811),
        (20, 2.33919),
        (25, 3.16982),
        (30, 4.24692),
        (35, 5.62906),
        (40, 7.38511),
        (45, 9.59534),
    ],
)
def test_saturation_vapour_pressure_is_within_0_14_percent_of_iapws(celsius: float, kpa: float) -> None:
    assert saturation_vapour_pressure_kpa(celsius) == pytest.approx(kpa, rel=0.0014)


def test_examples_3_and_5_of_fao_56() -> None:
    mean = (saturation_vapour_pressure_kpa(15) + saturation_vapour_pressure_kpa(24.5)) / 2
    assert mean == pytest.approx(2.39, abs=0.005)
    assert saturation_vapour_pressure_kpa(19.75) / mean - 1 == pytest.approx(-0.0367, abs=5e-5)
    actual = (vapour_pressure_kpa(18, 82) + vapour_pressure_kpa(25, 54)) / 2
    assert actual == pytest.approx(1.7015, abs=5e-5)


@pytest.mark.parametrize(
    ("celsius", "percent", "kpa"),
    [(25, 60, 1.2671), (20, 80, 0.4677), (30, 50, 2.1215), (18, 95, 0.1032), (25, 100, 0), (0, 50, 0.3054)],
)
def test_vpd_of_air(celsius: float, percent: float, kpa: float) -> None:
    assert air_vpd_kpa(celsius, percent) == pytest.approx(kpa, abs=5e-5)


@pytest.mark.parametrize(
    ("celsius", "percent", "leaf", "kpa"),
    [(25, 60, 23, 0.9088), (25, 60, 25, 1.2671), (25, 60, 27, 1.6647), (28, 70, 26, 0.7155)],
)
def test_vpd_of_leaf(celsius: float, percent: float, leaf: float, kpa: float) -> None:
    assert leaf_vpd_kpa(celsius, percent, leaf) == pytest.approx(kpa, abs=5e-5)


def test_vpd_of_a_leaf_with_dew_is_negative() -> None:
    assert leaf_vpd_kpa(22, 90, 19) == pytest.approx(-0.1821, abs=5e-5)


@pytest.mark.parametrize(("kpa", "percent"), [(0.3, 90.53), (0.6, 81.06), (1.0, 68.43), (1.4, 55.80)])
def test_bounds_of_vpd_bands_at_25_degrees(kpa: float, percent: float) -> None:
    assert air_vpd_kpa(25, percent) == pytest.approx(kpa, abs=2e-4)


@pytest.mark.parametrize(
    ("celsius", "percent", "dew_point"),
    [(25, 60, 16.696), (20, 80, 16.445), (30, 50, 18.438), (10, 90, 8.438), (5, 30, -11.102)],
)
def test_dew_point(celsius: float, percent: float, dew_point: float) -> None:
    assert dew_point_celsius(celsius, percent) == pytest.approx(dew_point, abs=5e-4)


@pytest.mark.parametrize("percent", [100, 102, 105])
def test_the_dew_point_of_saturated_air_is_its_temperature(percent: float) -> None:
    assert dew_point_celsius(25, percent) == 25


def test_two_percent_of_humidity_move_the_dew_point_by_a_third_of_a_kelvin() -> None:
    assert dew_point_celsius(20, 92) - dew_point_celsius(20, 90) == pytest.approx(0.351, abs=5e-4)


@pytest.mark.parametrize(
    ("celsius", "percent", "surface", "margin"),
    [(20, 80, 18, 1.555), (18, 95, 17, -0.187), (22, 60, 10, -3.882)],
)
def test_dew_point_margin(celsius: float, percent: float, surface: float, margin: float) -> None:
    assert dew_point_margin_kelvin(celsius, percent, surface) == pytest.approx(margin, abs=5e-4)


@pytest.mark.parametrize(
    ("celsius", "percent", "absolute", "deficit"),
    [(25, 60, 13.813, 9.209), (20, 80, 13.826, 3.457), (30, 50, 15.164, 15.164), (20, 100, 17.283, 0)],
)
def test_absolute_humidity_and_deficit(celsius: float, percent: float, absolute: float, deficit: float) -> None:
    assert absolute_humidity_g_per_m3(celsius, percent) == pytest.approx(absolute, abs=5e-4)
    assert humidity_deficit_g_per_m3(celsius, percent) == pytest.approx(deficit, abs=5e-4)


def test_zero_is_a_value() -> None:
    assert air_vpd_kpa(0, 0) == 0.6108
    assert absolute_humidity_g_per_m3(20, 0) == 0


@pytest.mark.parametrize(
    ("celsius", "percent"), [(-60.1, 50), (80.1, 50), (nan, 50), (20, -0.1), (20, 105.1), (20, nan)]
)
def test_impossible_input_is_refused(celsius: float, percent: float) -> None:
    with pytest.raises(OutOfRange):
        air_vpd_kpa(celsius, percent)


@pytest.mark.parametrize("percent", [0, 0.9])
def test_air_without_vapour_has_no_dew_point(percent: float) -> None:
    with pytest.raises(OutOfRange):
        dew_point_celsius(20, percent)


@given(temperatures, humidities)
def test_the_dew_point_is_the_inverse_of_saturation(celsius: float, percent: float) -> None:
    dew_point = dew_point_celsius(celsius, percent)
    assert dew_point <= celsius + 1e-9
    if dew_point >= -60:
        expected = vapour_pressure_kpa(celsius, percent)
        assert saturation_vapour_pressure_kpa(dew_point) == pytest.approx(expected, abs=1e-9, rel=1e-9)


@given(temperatures, st.floats(0, 105))
def test_deficits_of_air_are_never_negative(celsius: float, percent: float) -> None:
    assert air_vpd_kpa(celsius, percent) >= 0
    assert humidity_deficit_g_per_m3(celsius, percent) >= 0


@given(temperatures, humidities, temperatures)
def test_the_vpd_of_a_leaf_rises_with_its_temperature_through_that_of_air(
    celsius: float, percent: float, leaf: float
) -> None:
    of_air, of_leaf = air_vpd_kpa(celsius, percent), leaf_vpd_kpa(celsius, percent, leaf)
    assert of_leaf >= of_air - 1e-9 if leaf >= celsius else of_leaf <= of_air + 1e-9
