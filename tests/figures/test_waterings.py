"""Waterings found in the moisture of a substrate, and how far it dries back between them."""

from __future__ import annotations

from random import Random

import pytest
from figure_days import DAY, at, course, samples_of
from hypothesis import given
from hypothesis import strategies as st

from hortus.domain.figures.samples import Period, Sample
from hortus.domain.figures.watering import (
    DryBack,
    Watering,
    drained_points,
    dry_backs,
    find_waterings,
    noise_points,
    overnight_dry_back,
)

NEXT_DAY = Period(at(24), at(48))


def two_watered_days() -> list[Sample]:
    """Return the published series: 60 points, drying, watered at 08, 11 and 14 h with 12, 6 and 6 points."""
    samples, points = [Sample(at(0), 60)], 60.0
    for minute in range(10, 2881, 10):
        of_day = minute % 1440
        points += {480: 12.0, 660: 6.0, 840: 6.0}.get(of_day, -0.10 if 420 <= of_day < 1200 else -0.06)
        samples.append(Sample(at(minute / 60), round(points, 3)))
    return samples


def dry_back(peak: float, trough: float) -> DryBack:
    return DryBack(peak=Sample(at(0), peak), trough=Sample(at(10), trough))


def test_six_waterings_in_two_days() -> None:
    found = find_waterings(two_watered_days())
    assert [each.top.at for each in found] == [at(each) for each in (8, 11, 14, 32, 35, 38)]
    assert found[0] == Watering(trough=Sample(at(7 + 50 / 60), 56.94), top=Sample(at(8), 68.94))
    assert [(each.trough.value, each.top.value) for each in found[1:4]] == [
        (67.24, 73.24),
        (71.54, 77.54),
        (69.48, 81.48),
    ]


def test_overnight_dry_back() -> None:
    found = overnight_dry_back(find_waterings(two_watered_days()), DAY, NEXT_DAY)
    assert found is not None
    assert (found.peak, found.trough) == (Sample(at(14), 77.54), Sample(at(31 + 50 / 60), 69.48))
    assert found.points == pytest.approx(8.06)
    assert found.percent_of_peak == pytest.approx(10.39, abs=0.005)
    assert found.hours == pytest.approx(17.83, abs=0.005)


def test_a_day_without_watering_has_no_overnight_dry_back() -> None:
    first_day = [each for each in find_waterings(two_watered_days()) if each.top.at < at(24)]
    assert overnight_dry_back(first_day, DAY, NEXT_DAY) is None
    assert len(dry_backs(first_day)) == 2


@pytest.mark.parametrize(
    ("peak", "trough", "points", "percent"), [(65, 52, 13, 20), (40, 30, 10, 25), (60, 57, 3, 5)]
)
def test_dry_back_in_points_and_in_percent(peak: float, trough: float, points: float, percent: float) -> None:
    assert dry_back(peak, trough).points == points
    assert dry_back(peak, trough).percent_of_peak == pytest.approx(percent)
    assert dry_back(0, -1).percent_of_peak is None


def test_shots_less_than_half_an_hour_apart_are_one_watering() -> None:
    def shots(second_at: float) -> list[Watering]:
        return find_waterings(course(lambda hour: 50 + 3 * (hour >= 8) + 3 * (hour >= second_at) - 0.1 * hour))

    assert [(each.shots, each.top.at) for each in shots(8.5)] == [(2, at(8.5))]
    assert [each.shots for each in shots(8.75)] == [1, 1]


def test_a_slow_daily_wave_is_no_watering() -> None:
    assert find_waterings(course(lambda hour: 50 + 5 * abs(12 - hour) / 12)) == []


def test_noise_is_no_watering() -> None:
    random = Random(1)
    noisy = course(lambda hour: 50 - 0.1 * hour + random.gauss(0, 1.5))
    assert noise_points(noisy) == pytest.approx(1.5 * 2**0.5, rel=0.2)
    assert find_waterings(noisy) == []
    assert noise_points([]) == 0


def test_the_trough_is_the_last_minimum_before_the_rise() -> None:
    values = [50.0, 50.1, 49.9, 49.9, 55.0, 54.9]
    found = find_waterings([Sample(at(each / 6), value) for each, value in enumerate(values)])
    assert found == [Watering(trough=Sample(at(0.5), 49.9), top=Sample(at(4 / 6), 55))]


def test_a_rise_across_a_gap_has_no_peak() -> None:
    samples = [each for each in two_watered_days() if not at(7.5) < each.at < at(8.5)]
    first, second = find_waterings(samples)[:2]
    assert not first.is_seen
    assert first.peak is None
    assert (first.trough.at, first.top.at) == (at(7.5), at(8.5))
    assert drained_points(samples, first, second.trough.at) is None
    assert len(dry_backs([first, second])) == 0


def test_a_drained_substrate_is_measured_30_to_90_minutes_after_the_peak() -> None:
    samples = two_watered_days()
    first = find_waterings(samples)[0]
    assert drained_points(samples, first, at(11)) == pytest.approx(68.94 - 0.6)
    assert drained_points(samples, first, at(8.75)) == pytest.approx(68.94 - 0.35)
    assert drained_points(samples, first, at(8.2)) is None


@given(samples_of(st.floats(0, 100), most=150), st.integers(0, 9))
def test_waterings_do_not_depend_on_order_and_repetition_and_rise(samples: list[Sample], repeated: int) -> None:
    found = find_waterings(samples)
    assert find_waterings([*reversed(samples), *samples[:repeated]]) == found
    assert all(each.trough.value <= each.top.value - 2 for each in found)
    moments = [moment for each in found for moment in (each.trough.at, each.top.at)]
    assert moments == sorted(moments)
