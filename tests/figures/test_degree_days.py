"""Growing degree days by several methods."""

from __future__ import annotations

import math

import pytest
from figure_days import (
    DAY,
    FIVE_MINUTES,
    LONG_DAY,
    SHORT_DAY,
    about,
    at,
    course,
    steadily,
)
from hypothesis import given
from hypothesis import strategies as st

from hortus.domain.figures.degree_day_methods import (
    Wave,
    degree_days_by_clipping,
    degree_days_by_mean,
    degree_days_by_wave,
)
from hortus.domain.figures.degree_days import (
    CutOff,
    DegreeDays,
    Growth,
    RunTotal,
    degree_days_of_day,
    degree_days_of_hours,
    growing_kelvin,
    run_total,
)
from hortus.domain.figures.hourly import HourlyMean
from hortus.domain.figures.limits import OutOfRange
from hortus.domain.figures.samples import Period, Sample

CUT_OFFS = (CutOff.NONE, CutOff.HORIZONTAL, CutOff.INTERMEDIATE)


celsius = st.floats(-40, 60)


def hours(*celsius: float | None) -> list[HourlyMean]:
    return [HourlyMean(3600, each) for each in celsius]


@pytest.mark.parametrize(
    ("minimum", "maximum", "growth", "mean", "clip_without_upper", "clip", "triangle", "sine"),
    [
        (15, 25, Growth(10, 30), 10, 10, 10, [10, 10, 10], [10, 10, 10]),
        (5, 20, Growth(10, 30), 2.5, 5, 5, [3.333, 3.333, 3.333], [3.771, 3.771, 3.771]),
        (12, 36, Growth(10, 30), 14, 14, 11, [14, 13.25, 12.5], [14, 12.692, 11.384]),
        (2, 9, Growth(10, 30), 0, 0, 0, [0, 0, 0], [0, 0, 0]),
        (22, 38, Growth(10, 30), 20, 20, 16, [20, 18, 16], [20, 17.454, 14.907]),
        (-2, 14, Growth(4.4, 26), 1.6, 4.8, 4.8, [2.88, 2.88, 2.88], [3.398, 3.398, 3.398]),
    ],
)
def test_degree_days_by_the_methods_of_published_targets(
    minimum: float,
    maximum: float,
    growth: Growth,
    mean: float,
    clip_without_upper: float,
    clip: float,
    triangle: list[float],
    sine: list[float],
) -> None:
    without_upper = Growth(growth.base_celsius)
    assert degree_days_by_mean(minimum, maximum, growth) == pytest.approx(mean)
    assert degree_days_by_clipping(minimum, maximum, without_upper) == pytest.approx(clip_without_upper)
    assert degree_days_by_clipping(minimum, maximum, growth) == pytest.approx(clip)
    for wave, expected in ((Wave.TRIANGLE, triangle), (Wave.SINE, sine)):
        found = [degree_days_by_wave(minimum, maximum, growth, wave, each) for each in CUT_OFFS]
        assert found == pytest.approx(expected, abs=5e-4)


@given(celsius, celsius, st.floats(0, 15), st.floats(1, 25), st.sampled_from(CUT_OFFS[:2]))
def test_waves_agree_with_many_small_steps(
    one: float, other: float, base: float, width: float, cut_off: CutOff
) -> None:
    minimum, maximum, growth = min(one, other), max(one, other), Growth(base, base + width)
    middle, amplitude = (minimum + maximum) / 2, (maximum - minimum) / 2
    phases = [(each + 0.5) / 2000 for each in range(2000)]
    for wave, shape in ((Wave.SINE, [math.cos(math.pi * p) for p in phases]), (Wave.TRIANGLE, phases)):
        scaled = shape if wave is Wave.SINE else [2 * each - 1 for each in shape]
        counted = [growing_kelvin(middle + amplitude * each, growth, cut_off) for each in scaled]
        found = degree_days_by_wave(minimum, maximum, growth, wave, cut_off)
        assert found == pytest.approx(sum(counted) / 2000, abs=0.01)


@given(celsius, celsius, st.sampled_from(list(Wave)))
def test_a_lower_cut_off_never_counts_more(one: float, other: float, wave: Wave) -> None:
    minimum, maximum = min(one, other), max(one, other)
    found = [degree_days_by_wave(minimum, maximum, Growth(10, 30), wave, each) for each in CUT_OFFS]
    assert found[0] >= found[1] - 1e-9
    assert found[1] >= found[2] - 1e-9
    assert found[2] >= 0


def test_impossible_days_and_ranges_are_refused() -> None:
    with pytest.raises(OutOfRange, match="minimum"):
        degree_days_by_mean(20, 10, Growth(10))
    with pytest.raises(OutOfRange, match="upper"):
        Growth(10, 10)
    with pytest.raises(OutOfRange, match="vertical"):
        degree_days_by_wave(10, 20, Growth(10), Wave.SINE, CutOff.VERTICAL)


def test_degree_days_of_hours() -> None:
    assert degree_days_of_hours(hours(*[16] * 8, *[24] * 16), Growth(10.9, 28)) == pytest.approx(
        10.4333, abs=5e-5
    )
    assert degree_days_by_mean(16, 24, Growth(10.9)) == pytest.approx(9.1)
    assert degree_days_of_hours(hours(*[34] * 12, *[8] * 12), Growth(10, 30)) == pytest.approx(10)
    assert degree_days_by_mean(8, 34, Growth(10)) == pytest.approx(11)


@pytest.mark.parametrize(
    ("cut_off", "kelvin"),
    [(CutOff.NONE, 24), (CutOff.HORIZONTAL, 20), (CutOff.INTERMEDIATE, 16), (CutOff.VERTICAL, 0)],
)
def test_cut_offs_of_an_hour_above_the_upper_temperature(cut_off: CutOff, kelvin: float) -> None:
    assert growing_kelvin(34, Growth(10, 30), cut_off) == kelvin
    assert growing_kelvin(30, Growth(10, 30), cut_off) == 20
    assert growing_kelvin(9, Growth(10, 30), cut_off) == 0


@pytest.mark.parametrize(("day", "degree_days"), [(SHORT_DAY, 9.5833), (DAY, 10), (LONG_DAY, 10.4167)])
def test_degree_days_of_days_of_all_lengths(day: Period, degree_days: float) -> None:
    found = degree_days_of_day(steadily(20, day), day, FIVE_MINUTES, Growth(10, 30))
    assert found == DegreeDays(degree_days=about(degree_days, abs=5e-5), coverage=1, left_out=0)


def test_a_day_with_less_than_three_quarters_has_no_degree_days_and_another_is_not_scaled() -> None:
    some = [*course(lambda _: 20, end_hours=17), Sample(at(20), 61)]
    assert degree_days_of_day(some, DAY, FIVE_MINUTES, Growth(10)) == DegreeDays(
        degree_days=None, coverage=about(17 / 24), left_out=1
    )
    most = degree_days_of_day(course(lambda _: 20, end_hours=18), DAY, FIVE_MINUTES, Growth(10))
    assert (most.degree_days, most.coverage) == (about(7.5), 0.75)


def test_a_run_names_missing_days_and_fills_them_only_on_request() -> None:
    days = [None, 5, None, 7, None, None, 0]
    assert run_total(days) == RunTotal(degree_days=12, missing_days=4, estimated_days=0)
    assert run_total(days, fill_gaps=True) == RunTotal(degree_days=18, missing_days=3, estimated_days=1)
