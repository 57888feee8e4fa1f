"""The photoperiod as a light sensor saw it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from figure_days import DAY, LONG_DAY, SHORT_DAY, at, course, half_sine, samples_of, span, steadily
from hypothesis import given
from hypothesis import strategies as st

from hortus.domain.figures.light_periods import LUX_THRESHOLD, PPFD_THRESHOLD
from hortus.domain.figures.photoperiod import Photoperiod, photoperiod
from hortus.domain.figures.samples import Period, Sample


def two_days(value: Callable[[float], float], minutes: int = 5) -> list[Sample]:
    """Return the day, and the same hours of the day before."""
    return course(lambda hour: value(hour % 24), minutes=minutes, start_hours=-24)


def lamp(on: float, off: float, umol: float = 200) -> Callable[[float], float]:
    return lambda hour: umol if on <= hour < off else 0.0


def with_break(hour: float) -> float:
    return 5.0 if 1 <= hour < 1.25 else lamp(7, 16)(hour)


def seen(samples: list[Sample]) -> Photoperiod:
    return photoperiod(samples, DAY, PPFD_THRESHOLD)


def test_a_lamp_from_6_to_22() -> None:
    found = seen(two_days(lamp(6, 22)))
    assert found == Photoperiod(
        light=(span(6, 22),),
        night_breaks=(),
        night=(span(-2, 6),),
        longest_dark=span(-2, 6),
        is_dark_known=True,
        coverage=1,
        left_out=0,
    )
    assert (found.light_hours, found.longest_dark_hours) == (16, 8)
    assert (found.first_light, found.last_light) == (at(6), at(22))


def test_ten_minutes_of_shadow_are_bridged_and_fifteen_are_not() -> None:
    assert seen(two_days(lambda hour: 0.5 if 10 <= hour < 10.16 else lamp(6, 22)(hour))).light == (span(6, 22),)
    shadow = seen(two_days(lambda hour: 0.5 if 10 <= hour < 10.24 else lamp(6, 22)(hour)))
    assert shadow.light == (span(6, 10), span(10.25, 22))


def test_a_night_break_splits_the_dark() -> None:
    found = seen(two_days(with_break))
    assert found.night_breaks == (span(1, 1.25),)
    assert (found.light_hours, found.longest_dark_hours) == (9.25, 9.0)
    assert found.longest_dark == span(-8, 1)
    assert found.night == (span(-8, 1), span(1.25, 7))
    assert (found.first_light, found.last_light) == (at(7), at(16))


def test_flashes_of_one_night_break_belong_together() -> None:
    def cyclic(hour: float) -> float:
        return 5.0 if 0 <= hour < 3 and (hour * 60) % 30 < 9.9 else lamp(9, 17)(hour)

    found = seen(two_days(cyclic))
    assert found.night_breaks == (Period(at(0), at(2.5) + timedelta(minutes=10)),)
    assert found.first_light == at(9)


def test_a_curtain_at_noon_is_no_night() -> None:
    found = seen(two_days(lambda hour: lamp(7, 10)(hour) + lamp(11, 19)(hour)))
    assert found.night_breaks == ()
    assert found.night == (span(-5, 7),)
    assert (found.first_light, found.last_light) == (at(7), at(19))


def test_a_clear_day() -> None:
    found = seen(two_days(half_sine()))
    assert found.light_hours == pytest.approx(13.92, abs=0.005)
    assert found.longest_dark_hours == pytest.approx(10.08, abs=0.005)


def test_light_goes_off_at_less_than_it_goes_on() -> None:
    def dusk(hour: float) -> float:
        return 1.5 if 3 <= hour < 4 or 20 <= hour < 21 else lamp(6, 20)(hour)

    assert seen(two_days(dusk)).light == (span(6, 21),)


def test_lux_have_thresholds_of_their_own() -> None:
    found = photoperiod(two_days(lamp(6, 22, umol=100)), DAY, LUX_THRESHOLD)
    assert found.light_hours == 16
    assert photoperiod(two_days(lamp(6, 22, umol=99)), DAY, LUX_THRESHOLD).light == ()


def test_a_torch_for_two_minutes_is_dropped() -> None:
    assert seen(two_days(lambda hour: 9.0 if 1 <= hour < 1.03 else lamp(6, 22)(hour), 1)).light == (
        span(6, 22),
    )


def test_a_gap_in_the_night_makes_the_dark_unknown() -> None:
    night = [each for each in two_days(lamp(6, 22)) if not at(1) < each.at < at(1.58)]
    found = seen(night)
    assert (found.longest_dark, found.is_dark_known, found.longest_dark_hours) == (None, False, None)
    assert found.night == ()
    assert found.coverage == pytest.approx(1 - 35 / 60 / 24)


def test_a_gap_of_half_an_hour_does_not() -> None:
    night = [each for each in two_days(lamp(6, 22)) if not at(1) < each.at < at(1.5)]
    assert seen(night).longest_dark_hours == 8


def test_a_gap_in_the_light_is_not_light() -> None:
    found = seen([each for each in two_days(lamp(6, 22)) if not at(12) < each.at < at(14)])
    assert (found.light_hours, found.longest_dark_hours) == (14, 8)
    assert found.light == (span(6, 12), span(14, 22))


def test_without_the_day_before_the_night_is_unknown() -> None:
    assert seen(course(lamp(6, 22))).longest_dark_hours is None


def test_continuous_light_and_continuous_dark_are_known() -> None:
    assert (seen(two_days(lambda _: 9)).light_hours, seen(two_days(lambda _: 9)).longest_dark_hours) == (24, 0)
    dark = seen(two_days(lambda _: 0))
    assert (dark.light, dark.longest_dark_hours, dark.first_light) == ((), 48, None)


def test_a_day_without_samples_is_unknown() -> None:
    found = seen([])
    assert (found.light, found.coverage, found.longest_dark_hours) == ((), 0, None)


def test_a_lamp_that_burns_across_midnight_has_no_night_break() -> None:
    found = seen(two_days(lambda hour: 200 if hour >= 22 or hour < 14 else 0))
    assert found.light == (span(0, 14), span(22, 24))
    assert found.night_breaks == ()
    assert found.night == (span(14, 22),)
    assert found.longest_dark_hours == 8


@pytest.mark.parametrize(("day", "hours"), [(SHORT_DAY, 23), (LONG_DAY, 25)])
def test_days_on_which_clocks_change(day: Period, hours: int) -> None:
    found = photoperiod(steadily(9, day), day, PPFD_THRESHOLD)
    assert (found.light_hours, found.coverage) == (hours, 1)


@given(samples_of(st.sampled_from([0.0, 1.5, 2.0, 100.0]), most=200), st.integers(0, 9))
def test_the_photoperiod_does_not_depend_on_order_and_repetition_and_fits_the_day(
    samples: list[Sample], repeated: int
) -> None:
    found = seen(samples)
    assert seen([*reversed(samples), *samples[:repeated]]) == found
    assert 0 <= found.coverage <= 1
    assert 0 <= found.light_hours <= 24 * found.coverage + 1e-9
    edges = [edge for each in found.light for edge in (each.start, each.end)]
    assert edges == sorted(edges)
    assert found.longest_dark is None or not any(found.longest_dark.shared_with(each) for each in found.light)


@given(samples_of(st.sampled_from([0.0, 100.0]), most=200))
def test_samples_after_the_day_make_no_difference(samples: list[Sample]) -> None:
    half = Period(at(0), at(12))
    before = [each for each in samples if each.at < half.end]
    assert photoperiod(samples, half, PPFD_THRESHOLD) == photoperiod(before, half, PPFD_THRESHOLD)
