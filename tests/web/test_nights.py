"""Nights that shade a chart: right to a few minutes, for any place and time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hortus.domain.series.charts import Span
from hortus.http.pages.charts.nights import nights_within


def day(year: int, month: int, day: int) -> Span:
    start = datetime(year, month, day, tzinfo=UTC)
    return Span(start, start + timedelta(days=1))


def minutes(moment: datetime, clock: str) -> float:
    hour, minute = map(int, clock.split(":"))
    return abs((moment - moment.replace(hour=hour, minute=minute, second=0)) / timedelta(minutes=1))


@pytest.mark.parametrize(
    ("latitude", "longitude", "of", "sunrise", "sunset"),
    [  # from almanacs, in UTC
        (52.37, 4.90, day(2026, 6, 21), "03:18", "20:06"),
        (52.37, 4.90, day(2026, 12, 21), "07:48", "15:28"),
        (0.0, 0.0, day(2026, 3, 20), "06:04", "18:11"),
        (-33.87, 18.42, day(2026, 12, 21), "03:31", "17:57"),
    ],
)
def test_sunrise_and_sunset_are_those_of_the_almanac(latitude, longitude, of, sunrise, sunset):
    morning, evening = nights_within(latitude, longitude, of)
    assert minutes(morning.end, sunrise) <= 4
    assert minutes(evening.start, sunset) <= 4


def test_beyond_the_polar_circle_there_are_days_without_night_and_nights_without_day():
    assert nights_within(78.2, 15.6, day(2026, 6, 21)) == []
    assert nights_within(78.2, 15.6, day(2026, 12, 21)) == [day(2026, 12, 21)]


def test_long_ranges_have_no_stripes():
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert nights_within(52, 5, Span(start, start + timedelta(days=30))) == []
    assert len(nights_within(52, 5, Span(start, start + timedelta(days=7)))) == 8


@given(
    st.floats(-90, 90),
    st.floats(-180, 180),
    st.integers(1_262_304_000, 3_786_912_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
    st.integers(60, 14 * 86_400),
)
def test_nights_are_ordered_lie_in_the_range_and_do_not_touch(latitude, longitude, start, seconds):
    span = Span(start, start + timedelta(seconds=seconds))
    nights = nights_within(latitude, longitude, span)
    edges = [edge for night in nights for edge in (night.start, night.end)]
    assert edges == sorted(set(edges))
    assert all(span.start <= edge <= span.end for edge in edges)
