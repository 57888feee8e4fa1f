"""Which samples are used, where days begin, and which samples of two sensors belong together."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from math import inf, nan
from zoneinfo import ZoneInfo

import pytest
from figure_days import BERLIN, LONG_DAY, SHORT_DAY, at, samples_of
from hypothesis import given
from hypothesis import strategies as st

from hortus.domain.figures.humidity import air_vpd_kpa, dew_point_celsius
from hortus.domain.figures.limits import HUMIDITY_PERCENT, TEMPERATURE_CELSIUS, Limits
from hortus.domain.figures.pairing import Pair, derive, furthest_seconds, pairs_of
from hortus.domain.figures.samples import Period, Sample, Usable, hours_of, local_day, usable

ANY = Limits("Any", -1000, 1000)


def minutes(values: dict[float, float]) -> Usable:
    return Usable(tuple(Sample(at(minute / 60), value) for minute, value in values.items()))


def test_bad_values_are_left_out_and_counted_and_zero_is_a_value() -> None:
    samples = [Sample(at(hour), value) for hour, value in enumerate([0, -0.1, 105, 105.1, nan, inf, 50])]
    used = usable(samples, HUMIDITY_PERCENT)
    assert used == Usable((Sample(at(0), 0), Sample(at(2), 105), Sample(at(6), 50)), left_out=4)


def test_the_highest_of_different_values_at_one_moment_is_used() -> None:
    samples = [Sample(at(1), 21), Sample(at(1), 22), Sample(at(1), 20)]
    assert usable(samples, TEMPERATURE_CELSIUS).samples == (Sample(at(1), 22),)


@given(samples_of(st.floats(-100, 100)), st.integers(0, 5))
def test_order_and_repetition_of_samples_make_no_difference(samples: list[Sample], repeated: int) -> None:
    again = usable([*reversed(samples), *samples[:repeated]], TEMPERATURE_CELSIUS)
    assert again == usable(samples, TEMPERATURE_CELSIUS)


def test_times_without_zone_are_refused() -> None:
    naive = datetime(2026, 6, 1)  # noqa: DTZ001
    with pytest.raises(ValueError, match="zone"):
        Sample(naive, 1)
    with pytest.raises(ValueError, match="zone"):
        Period(naive, at(1))


def test_a_period_ends_after_its_start() -> None:
    with pytest.raises(ValueError, match="end after"):
        Period(at(1), at(1))


def test_days_on_which_clocks_change_have_23_and_25_hours() -> None:
    assert (SHORT_DAY.seconds, LONG_DAY.seconds) == (82_800, 90_000)
    assert (len(hours_of(SHORT_DAY)), len(hours_of(LONG_DAY))) == (23, 25)


def test_local_days_begin_in_the_middle_of_an_hour_where_zones_do() -> None:
    day = local_day(date(2026, 6, 1), ZoneInfo("Asia/Kathmandu"))
    assert day == Period(datetime(2026, 5, 31, 18, 15, tzinfo=UTC), datetime(2026, 6, 1, 18, 15, tzinfo=UTC))
    assert local_day(date(2026, 6, 1), ZoneInfo("Asia/Kolkata")).start == at(-5.5)


def test_a_day_may_begin_at_another_hour() -> None:
    day = local_day(date(2026, 6, 1), BERLIN, time(4))
    assert day == Period(at(2), at(26))


def test_the_last_hour_may_be_shorter() -> None:
    assert hours_of(Period(at(0), at(1.5))) == [Period(at(0), at(1)), Period(at(1), at(1.5))]


def test_samples_are_paired_up_to_two_intervals_of_the_slower_sensor_apart() -> None:
    assert furthest_seconds(10, 20) == 120
    assert furthest_seconds(60, 300) == 600


def test_each_sample_is_paired_with_the_nearest_of_the_other_sensor() -> None:
    temperature, humidity = minutes({0: 20, 3: 21, 6: 22, 30: 23}), minutes({1: 50, 5: 60})
    assert pairs_of(temperature, humidity, 120) == [
        Pair(at(0), 20, 50),
        Pair(at(0.05), 21, 50),
        Pair(at(0.1), 22, 60),
    ]


def test_nothing_is_paired_with_a_sensor_that_sent_nothing() -> None:
    assert pairs_of(minutes({0: 20}), Usable(()), 120) == []


def test_figures_are_computed_from_pairs_before_they_are_averaged() -> None:
    vpd = derive(minutes({0: 15, 60: 24.5}), minutes({0: 0, 60: 0}), 120, air_vpd_kpa)
    assert sum(each.value for each in vpd.samples) / 2 == pytest.approx(2.39, abs=0.005)


def test_pairs_without_a_figure_are_counted_with_what_the_inputs_lost() -> None:
    dew_points = derive(Usable((Sample(at(0), 20),), 1), Usable((Sample(at(0), 0),), 2), 120, dew_point_celsius)
    assert dew_points == Usable((), left_out=4)


@given(samples_of(st.floats(0, 1)), samples_of(st.floats(0, 1)), st.integers(0, 3600))
def test_pairs_are_never_further_apart_than_allowed(
    first: list[Sample], second: list[Sample], within_seconds: int
) -> None:
    one, other = usable(first, ANY), usable(second, ANY)
    paired = {each.at for each in pairs_of(one, other, within_seconds)}
    within = timedelta(seconds=within_seconds)
    near = {each.at for each in one.samples if any(abs(each.at - o.at) <= within for o in other.samples)}
    assert paired == near
