"""Local days are whole, in every zone and across every change of clocks."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hortus.base.time_zones import UnknownTimeZone, day_start, day_starts, time_zone, time_zone_names

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
MOMENTS = st.datetimes(datetime(2010, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
ZONES = st.sampled_from(sorted(time_zone_names())).map(ZoneInfo)


def hours_of_days(first: date, last: date, zone: ZoneInfo) -> list[float]:
    starts = list(day_starts(day_start(first, zone), day_start(last, zone), zone))
    return [(after - before) / timedelta(hours=1) for before, after in pairwise(starts)]


def test_a_day_has_23_hours_in_spring_and_25_in_autumn() -> None:
    assert hours_of_days(date(2026, 3, 28), date(2026, 3, 31), AMSTERDAM) == [24, 23, 24]
    assert hours_of_days(date(2026, 10, 24), date(2026, 10, 27), AMSTERDAM) == [24, 25, 24]


def test_a_day_begins_at_the_change_of_clocks_that_skips_midnight() -> None:
    cairo = ZoneInfo("Africa/Cairo")
    assert day_start(date(2026, 4, 24), cairo) == datetime(2026, 4, 23, 22, tzinfo=UTC)
    assert hours_of_days(date(2026, 4, 23), date(2026, 4, 26), cairo) == [24, 23, 24]


def test_a_day_that_a_zone_left_out_has_no_start() -> None:
    samoa = ZoneInfo("Pacific/Apia")
    starts = list(day_starts(day_start(date(2011, 12, 29), samoa), day_start(date(2012, 1, 1), samoa), samoa))
    assert [start.astimezone(samoa).day for start in starts] == [29, 31, 1]


@given(MOMENTS, ZONES)
def test_every_moment_lies_in_its_own_local_day(moment: datetime, zone: ZoneInfo) -> None:
    start, end = list(day_starts(moment, moment + timedelta(microseconds=1), zone))
    assert start <= moment < end
    assert start.astimezone(zone).date() == moment.astimezone(zone).date()
    assert (start - timedelta(microseconds=1)).astimezone(zone).date() < moment.astimezone(zone).date()


@given(MOMENTS, ZONES, st.integers(1, 400), st.integers(0, 2000))
def test_spans_of_several_days_join_up_and_do_not_depend_on_the_range(
    moment: datetime, zone: ZoneInfo, days: int, length_hours: int
) -> None:
    end = moment + timedelta(hours=length_hours + 1)
    starts = list(day_starts(moment, end, zone, days))
    assert starts[0] <= moment
    assert starts[-2] < end <= starts[-1]
    assert list(day_starts(starts[-2], end, zone, days)) == starts[-2:]


def test_a_misspelt_zone_is_answered_with_the_one_that_was_meant() -> None:
    with pytest.raises(UnknownTimeZone, match="the closest is Europe/Amsterdam"):
        time_zone("Europe/Amsterdm")


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "localtime", "Europe", "x" * 10_000, "\0"])
def test_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(UnknownTimeZone, match="There is no time zone of this name"):
        time_zone(name)
