"""How fast a substrate dries, until when, and the quantiles of Student's t behind the interval."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
from figure_days import about, at, course
from hypothesis import given
from hypothesis import strategies as st

from hortus.domain.figures.drying import (
    Drying,
    Forecast,
    Outlook,
    drying_since,
    fit,
    hours_until,
    hours_until_exponentially,
)
from hortus.domain.figures.limits import OutOfRange
from hortus.domain.figures.samples import Sample
from hortus.domain.figures.student import two_sided_t

NOISE = (0.3, -0.2, 0.1, -0.4, 0.2, 0.0, -0.1, 0.4, -0.3, 0.1, -0.2, 0.1)


def noisy(points: float, per_hour: float) -> list[Sample]:
    return [Sample(at(hour), points - per_hour * hour + noise) for hour, noise in enumerate(NOISE)]


def since_midnight(samples: list[Sample]) -> Drying | None:
    return drying_since(samples, at(-2), at(100))


def rounded(forecast: Forecast) -> list[float | None]:
    hours = (forecast.hours, forecast.earliest_hours, forecast.latest_hours)
    return [each and round(each, 2) for each in hours]


def test_thirteen_exact_hours() -> None:
    exact = since_midnight([Sample(at(hour), 48 - 0.5 * hour) for hour in range(13)])
    assert exact == Drying(at=at(12), points=42, points_per_hour=0.5, error_per_hour=0, readings=13)
    assert hours_until(exact, 30) == Forecast(
        outlook=Outlook.EXPECTED, hours=24, earliest_hours=24, latest_hours=24
    )


def test_twelve_hours_with_noise() -> None:
    found = fit(noisy(48, 0.5))
    assert since_midnight(noisy(48, 0.5)) == found
    assert found.points_per_hour == pytest.approx(0.5042, abs=5e-5)
    assert found.error_per_hour == pytest.approx(0.0214, abs=5e-5)
    assert found.points == pytest.approx(42.4769, abs=5e-5)
    assert rounded(hours_until(found, 30)) == [24.75, 23.38, 26.28]


def test_slow_drying_may_last_beyond_a_week() -> None:
    forecast = hours_until(fit(noisy(35, 0.05)), 30)
    assert forecast.outlook is Outlook.EXPECTED
    assert rounded(forecast) == pytest.approx([81.7, 52.9, 178.7], abs=0.05)


def test_more_than_a_week_is_not_forecast() -> None:
    assert hours_until(fit(noisy(60, 0.1)), 30) == Forecast(outlook=Outlook.MORE_THAN_A_WEEK)


def test_what_does_not_dry_measurably_is_not_forecast() -> None:
    assert hours_until(fit(noisy(48, 0.0)), 30) == Forecast(outlook=Outlook.DOES_NOT_DRY)
    assert hours_until(fit(noisy(48, -0.5)), 30) == Forecast(outlook=Outlook.DOES_NOT_DRY)


def test_a_threshold_that_is_reached_needs_no_hours() -> None:
    assert hours_until(fit(noisy(48, 0.5)), 43) == Forecast(outlook=Outlook.REACHED)


def test_drainage_is_left_out() -> None:
    samples = course(lambda hour: 60 - 5 * hour if hour < 2 else 50 - 0.5 * hour, end_hours=12)
    found = drying_since(samples, at(0), at(24))
    assert found is not None
    assert found.points_per_hour == pytest.approx(0.5)
    assert drying_since(samples, at(11), at(24)) is None


def test_many_readings_count_as_one_per_hour() -> None:
    found = since_midnight(course(lambda hour: 50 - 0.5 * hour, minutes=1, end_hours=12))
    assert found is not None
    assert (found.readings, found.points_per_hour) == (13, about(0.5))


def test_too_few_readings_or_too_short_a_time_give_no_rate() -> None:
    assert since_midnight(course(lambda _: 50, minutes=60, end_hours=6)) is None
    assert since_midnight(course(lambda _: 50, minutes=60, end_hours=7)) is not None
    assert since_midnight(course(lambda _: 50, minutes=1, end_hours=5.9)) is None
    assert since_midnight([]) is None


def test_from_a_day_on_whole_days_are_fitted_and_three_at_most() -> None:
    def readings(hours: float) -> int:
        found = since_midnight(course(lambda hour: 90 - 0.5 * hour, minutes=60, end_hours=hours))
        assert found is not None
        return found.readings

    assert [readings(each) for each in (23, 24, 47, 48, 96)] == [24, 25, 25, 49, 73]


def test_readings_after_now_are_not_used() -> None:
    samples = course(lambda hour: 50 - 0.5 * hour, minutes=60)
    found = drying_since(samples, at(-2), at(10))
    assert found is not None
    assert (found.at, found.readings) == (at(10), 11)


def test_exponential_drying_takes_longer_than_a_straight_line() -> None:
    assert hours_until_exponentially(48, 30, 10, 0.02) == pytest.approx(32.093, abs=5e-4)
    straight = Drying(at=at(0), points=48, points_per_hour=0.02 * 38, error_per_hour=0, readings=12)
    assert hours_until(straight, 30).hours == pytest.approx(23.684, abs=5e-4)
    for points, threshold, final in ((48, 10, 10), (29, 30, 10)):
        with pytest.raises(OutOfRange):
            hours_until_exponentially(points, threshold, final, 0.02)


@given(st.floats(0.2, 2), st.lists(st.floats(-0.3, 0.3), min_size=10, max_size=40), st.floats(5, 40))
def test_the_interval_holds_the_forecast(per_hour: float, noise: list[float], threshold: float) -> None:
    samples = [Sample(at(hour), 80 - per_hour * hour + each) for hour, each in enumerate(noise)]
    forecast = hours_until(fit(samples), threshold)
    if forecast.hours is not None and forecast.earliest_hours and forecast.latest_hours:
        assert forecast.earliest_hours <= forecast.hours <= forecast.latest_hours


@given(st.lists(st.floats(20, 60), min_size=8, max_size=40), st.integers(1, 100))
def test_a_rate_does_not_depend_on_when_it_was(values: list[float], days: int) -> None:
    samples = [Sample(at(hour), value) for hour, value in enumerate(values)]
    later = [Sample(each.at + timedelta(days=days), each.value) for each in samples]
    assert fit(later).points_per_hour == fit(samples).points_per_hour


@pytest.mark.parametrize(
    ("degrees_of_freedom", "eighty", "ninety_five"),
    [
        (1, 3.078, 12.706),
        (2, 1.886, 4.303),
        (3, 1.638, 3.182),
        (4, 1.533, 2.776),
        (5, 1.476, 2.571),
        (6, 1.440, 2.447),
        (10, 1.372, 2.228),
        (22, 1.321, 2.074),
        (30, 1.310, 2.042),
        (46, 1.300, 2.013),
        (120, 1.289, 1.980),
    ],
)
def test_quantiles_of_student_are_those_of_tables(
    degrees_of_freedom: int, eighty: float, ninety_five: float
) -> None:
    assert two_sided_t(0.8, degrees_of_freedom) == pytest.approx(eighty, abs=5e-4)
    assert two_sided_t(0.95, degrees_of_freedom) == pytest.approx(ninety_five, abs=5e-4)


@given(st.floats(0, 0.999))
def test_quantiles_with_one_and_two_degrees_of_freedom_have_closed_forms(confidence: float) -> None:
    assert two_sided_t(confidence, 1) == pytest.approx(math.tan(math.pi / 2 * confidence), rel=1e-9, abs=1e-9)
    by_two = confidence * math.sqrt(2 / (1 - confidence**2))
    assert two_sided_t(confidence, 2) == pytest.approx(by_two, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(("confidence", "degrees_of_freedom"), [(1, 5), (-0.1, 5), (0.8, 0)])
def test_impossible_quantiles_are_refused(confidence: float, degrees_of_freedom: int) -> None:
    with pytest.raises(ValueError, match="Confidence"):
        two_sided_t(confidence, degrees_of_freedom)
