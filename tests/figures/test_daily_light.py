"""Photon flux from lux, and the daily light integral."""

from __future__ import annotations

from datetime import timedelta
from math import nan

import pytest
from figure_days import (
    DAY,
    FIVE_MINUTES,
    LONG_DAY,
    SHORT_DAY,
    about,
    at,
    course,
    half_sine,
    samples_of,
    span,
    steadily,
    steps,
)
from hypothesis import given
from hypothesis import strategies as st

from hortus.domain.figures.daily_light import (
    DailyLight,
    daily_light_integral,
    daily_light_integral_from_lux,
)
from hortus.domain.figures.lamps import (
    FACTORS,
    Evidence,
    Light,
    LightFactor,
    NeedsCalibration,
    calibrate,
    ppfd_umol_from_lux,
)
from hortus.domain.figures.limits import OutOfRange
from hortus.domain.figures.samples import Period, Sample


def dli(samples: list[Sample], day: Period = DAY, interval_seconds: float = FIVE_MINUTES) -> DailyLight:
    return daily_light_integral(samples, day, interval_seconds)


@pytest.mark.parametrize(
    ("light", "umol"),
    [
        (Light.SUN, 185),
        (Light.COOL_WHITE_FLUORESCENT, 135),
        (Light.HIGH_PRESSURE_SODIUM_MOGUL, 122),
        (Light.HIGH_PRESSURE_SODIUM_DOUBLE_ENDED, 130),
        (Light.METAL_HALIDE, 141),
        (Light.CERAMIC_METAL_HALIDE_4200_K, 154),
        (Light.CERAMIC_METAL_HALIDE_3100_K, 170),
        (Light.WHITE_LED, 145),
    ],
)
def test_photon_flux_of_10_000_lux(light: Light, umol: float) -> None:
    assert ppfd_umol_from_lux(10_000, FACTORS[light]) == pytest.approx(umol)


def test_full_sun_is_that_of_apogee() -> None:
    assert ppfd_umol_from_lux(108_000, FACTORS[Light.SUN]) == pytest.approx(2000, abs=2.1)


def test_a_lamp_is_calibrated_by_one_reading_of_a_quantum_sensor() -> None:
    factor = calibrate(200, 2080)
    assert factor == LightFactor(umol_per_lux=200 / 2080, evidence=Evidence.MEASURED)
    assert factor.umol_per_lux == pytest.approx(0.09615, abs=5e-6)


@pytest.mark.parametrize(("umol", "lux"), [(200, 0), (0, 1000), (5.9, 1000), (151, 1000), (nan, 1), (1, -1)])
def test_an_impossible_calibration_is_refused(umol: float, lux: float) -> None:
    with pytest.raises(OutOfRange):
        calibrate(umol, lux)


@given(st.floats(0, 2e5), st.floats(0, 2e5), st.floats(0.006, 0.15))
def test_more_lux_are_more_light(lux: float, other: float, umol_per_lux: float) -> None:
    factor = LightFactor(umol_per_lux=umol_per_lux, evidence=Evidence.MEASURED)
    low, high = sorted([lux, other])
    assert ppfd_umol_from_lux(low, factor) <= ppfd_umol_from_lux(high, factor)


@pytest.mark.parametrize(
    ("umol", "hours", "mol"), [(200, 16, 11.52), (100, 24, 8.64), (500, 12, 21.6), (925, 10, 33.3)]
)
def test_steady_light(umol: float, hours: float, mol: float) -> None:
    lit = steps((hours, umol), (24 - hours, 0)) if hours < 24 else course(lambda _: umol)
    found = dli(lit)
    assert found == DailyLight(mol_per_m2=about(mol, abs=1e-6), coverage=1, is_at_least=False, left_out=0)


def test_light_from_lux_names_its_factor() -> None:
    sun = daily_light_integral_from_lux(steps((10, 50_000), (14, 0)), DAY, FIVE_MINUTES, FACTORS[Light.SUN])
    assert (sun.mol_per_m2, sun.factor) == (about(33.3, abs=1e-5), FACTORS[Light.SUN])
    white = FACTORS[Light.WHITE_LED]
    lamp = daily_light_integral_from_lux(steps((14, 2000), (10, 0)), DAY, FIVE_MINUTES, white)
    assert lamp.mol_per_m2 == pytest.approx(1.4616, abs=1e-5)


def test_a_clear_day_by_trapezoids_every_5_minutes_and_every_hour() -> None:
    assert dli(course(half_sine())).mol_per_m2 == pytest.approx(25.6678, abs=5e-5)
    hourly = dli(course(half_sine(), minutes=60), interval_seconds=3600)
    assert hourly.mol_per_m2 == pytest.approx(25.5607, abs=5e-5)


def test_a_gap_is_not_bridged_and_the_sum_not_scaled() -> None:
    found = dli([each for each in course(half_sine()) if not at(10) < each.at < at(13)])
    assert found == DailyLight(
        mol_per_m2=about(17.2435, abs=5e-5), coverage=0.875, is_at_least=True, left_out=0
    )


def test_a_sensor_at_its_limit_gives_a_lower_bound() -> None:
    def clipped(lux: float) -> list[Sample]:
        return course(lambda hour: min(lux, half_sine(80_000)(hour)))

    sun = FACTORS[Light.SUN]
    assert daily_light_integral_from_lux(clipped(65_000), DAY, FIVE_MINUTES, sun, 65_000).is_at_least
    assert not daily_light_integral_from_lux(clipped(64_000), DAY, FIVE_MINUTES, sun, 65_000).is_at_least


@pytest.mark.parametrize("light", [Light.RED_BLUE_LED, Light.WHITE_LED_WITH_RED])
def test_lux_under_coloured_lamps_give_no_light_integral(light: Light) -> None:
    with pytest.raises(NeedsCalibration):
        daily_light_integral_from_lux([], DAY, FIVE_MINUTES, FACTORS[light])


def test_more_than_the_sun_gives_is_not_plausible() -> None:
    assert dli(course(lambda _: 752)).is_plausible
    assert not dli(course(lambda _: 753)).is_plausible


def test_negative_light_is_left_out_and_darkness_is_not() -> None:
    found = dli([*course(lambda _: 0), Sample(at(12) + timedelta(seconds=1), -1)])
    assert found == DailyLight(mol_per_m2=0, coverage=1, is_at_least=False, left_out=1)


@pytest.mark.parametrize(("day", "hours"), [(SHORT_DAY, 23), (LONG_DAY, 25)])
def test_days_on_which_clocks_change_are_not_normalised(day: Period, hours: int) -> None:
    found = dli(steadily(100, day), day)
    assert (found.mol_per_m2, found.coverage) == (about(0.36 * hours), 1)


@given(samples_of(st.floats(0, 3000)), st.integers(1, 89_999), st.integers(0, 9))
def test_the_light_of_two_parts_of_a_day_adds_up(samples: list[Sample], seconds: int, repeated: int) -> None:
    middle = LONG_DAY.start + timedelta(seconds=seconds)
    moved = [Sample(LONG_DAY.start + (each.at - DAY.start), each.value) for each in samples]
    parts = [
        dli([*moved, *moved[:repeated]], part, 1200).mol_per_m2
        for part in (Period(LONG_DAY.start, middle), Period(middle, LONG_DAY.end))
    ]
    assert sum(parts) == pytest.approx(dli(moved, LONG_DAY, 1200).mol_per_m2, rel=1e-9, abs=1e-9)


def test_spans_of_light_may_be_integrated_alone() -> None:
    assert dli(course(lambda _: 100), span(6, 8)).mol_per_m2 == pytest.approx(0.72)
