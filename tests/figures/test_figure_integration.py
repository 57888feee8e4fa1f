"""Integrals over days: trapezoids, gaps, coverage, and time in bands."""

from __future__ import annotations

from datetime import timedelta

import pytest
from figure_days import (
    DAY,
    FIVE_MINUTES,
    LONG_DAY,
    SHORT_DAY,
    about,
    at,
    course,
    samples_of,
    span,
    steadily,
    steps,
)
from hypothesis import given
from hypothesis import strategies as st

from hortus.domain.figures.integration import (
    Completeness,
    Integral,
    completeness_of,
    extremes,
    integrate,
    longest_step_seconds,
)
from hortus.domain.figures.limits import Limits
from hortus.domain.figures.samples import Period, Sample, usable
from hortus.domain.figures.thresholds import TimeInBand, excess_above, seconds_at_or_above, time_in_band

ANY = Limits("Any", -1000, 1000)
values = st.floats(-100, 100)
intervals = st.sampled_from([60.0, 300.0, 3600.0])


def over(samples: list[Sample], *periods: Period, interval_seconds: float = FIVE_MINUTES) -> Integral:
    return integrate(usable(samples, ANY), periods, interval_seconds)


def test_neighbours_may_be_three_intervals_apart_and_always_15_minutes() -> None:
    assert longest_step_seconds(60) == 900
    assert longest_step_seconds(600) == 1800


def test_a_gap_adds_nothing_and_is_not_covered() -> None:
    samples = [Sample(at(hour), 10) for hour in (0, 0.25, 0.5, 1, 1.25)]
    assert over(samples, span(0, 2)) == Integral(total=10 * 2700, covered_seconds=2700, seconds=7200)


def test_values_are_interpolated_at_the_borders_of_a_period() -> None:
    integral = over([Sample(at(-0.1), 0), Sample(at(0.1), 20), Sample(at(0.3), 20)], span(0, 0.2))
    assert integral.total == pytest.approx(360 * 15 + 360 * 20)
    assert integral.coverage == pytest.approx(1)


@pytest.mark.parametrize(
    ("coverage", "completeness"),
    [(1, "complete"), (0.95, "complete"), (0.949, "partial"), (0.75, "partial"), (0.749, "insufficient")],
)
def test_completeness(coverage: float, completeness: str) -> None:
    assert completeness_of(coverage) == completeness


def test_there_is_no_mean_below_a_coverage_of_three_quarters() -> None:
    integral = over(course(lambda _: 20, end_hours=17), DAY)
    assert (integral.completeness, integral.mean) == (Completeness.INSUFFICIENT, None)
    assert over(course(lambda _: 20, end_hours=18), DAY).mean == 20


def test_a_day_without_samples_has_no_coverage_and_no_extremes() -> None:
    assert over([], DAY) == Integral(total=0, covered_seconds=0, seconds=86_400)
    assert over([], DAY).coverage == 0
    assert over([]).coverage == 0
    assert extremes([], [DAY]) is None


@pytest.mark.parametrize("day", [SHORT_DAY, DAY, LONG_DAY])
def test_days_of_all_lengths_are_covered(day: Period) -> None:
    integral = over(steadily(7, day), day)
    assert (integral.coverage, integral.mean, integral.total) == (1, 7, 7 * day.seconds)


def test_extremes_are_those_of_samples_within() -> None:
    samples = [Sample(at(-1), 99), Sample(at(0), 3), Sample(at(2), 5), Sample(at(24), 99)]
    assert extremes(samples, [DAY]) == (3, 5)


@given(samples_of(values), intervals, st.integers(0, 9))
def test_integrals_do_not_depend_on_order_and_repetition(
    samples: list[Sample], interval: float, repeated: int
) -> None:
    again = over([*samples[:repeated], *reversed(samples)], DAY, interval_seconds=interval)
    assert again == over(samples, DAY, interval_seconds=interval)


@given(samples_of(values), intervals, st.integers(1, 86_399))
def test_integrals_of_two_parts_of_a_day_add_up(samples: list[Sample], interval: float, seconds: int) -> None:
    middle = DAY.start + timedelta(seconds=seconds)
    whole = over(samples, DAY, interval_seconds=interval)
    morning = over(samples, Period(DAY.start, middle), interval_seconds=interval)
    evening = over(samples, Period(middle, DAY.end), interval_seconds=interval)
    assert morning.total + evening.total == pytest.approx(whole.total, rel=1e-9, abs=1e-6)
    assert morning.covered_seconds + evening.covered_seconds == pytest.approx(whole.covered_seconds)


@given(samples_of(values), intervals)
def test_coverage_is_a_share_and_the_mean_lies_between_the_extremes(
    samples: list[Sample], interval: float
) -> None:
    integral = over(samples, DAY, interval_seconds=interval)
    assert 0 <= integral.coverage <= 1
    if integral.mean is not None:
        lowest, highest = min(each.value for each in samples), max(each.value for each in samples)
        assert lowest - 1e-9 <= integral.mean <= highest + 1e-9


def test_time_in_a_band_whose_bounds_belong_to_it() -> None:
    samples = usable(steps((2, 0.3), (3, 0.4), (4, 1.0), (5, 1.6), (6, 1.7)), ANY)
    band = time_in_band(samples, [span(0, 20)], FIVE_MINUTES, 0.4, 1.6)
    assert band.below_seconds == pytest.approx(2 * 3600, abs=0.01)
    assert band.within_seconds == pytest.approx(12 * 3600, abs=0.01)
    assert band.above_seconds == pytest.approx(6 * 3600, abs=0.01)


def test_a_value_that_crosses_a_bound_is_split_where_it_crosses() -> None:
    samples = usable([Sample(at(0), 0), Sample(at(0.25), 10)], ANY)
    assert time_in_band(samples, [DAY], FIVE_MINUTES, 2, 8) == TimeInBand(
        below_seconds=about(180), within_seconds=about(540), above_seconds=about(180)
    )
    assert seconds_at_or_above(samples, [DAY], FIVE_MINUTES, 8) == pytest.approx(180)
    assert excess_above(samples, [DAY], FIVE_MINUTES, 8) == pytest.approx(180)


@given(samples_of(values), st.floats(-50, 50), st.floats(0, 50))
def test_times_in_a_band_add_up_to_the_covered_time(samples: list[Sample], lowest: float, width: float) -> None:
    used = usable(samples, ANY)
    band = time_in_band(used, [DAY], 3600, lowest, lowest + width)
    together = band.below_seconds + band.within_seconds + band.above_seconds
    assert together == pytest.approx(integrate(used, [DAY], 3600).covered_seconds)
    assert min(band.below_seconds, band.within_seconds, band.above_seconds) >= 0


@given(samples_of(values), st.floats(-150, 150))
def test_excess_and_lack_make_up_the_integral(samples: list[Sample], bound: float) -> None:
    used = usable(samples, ANY)
    mirrored = usable([Sample(each.at, -each.value) for each in samples], ANY)
    excess, lack = excess_above(used, [DAY], 3600, bound), excess_above(mirrored, [DAY], 3600, -bound)
    integral = integrate(used, [DAY], 3600)
    assert excess - lack == pytest.approx(integral.total - bound * integral.covered_seconds, abs=1e-3)
