"""Chill hours and Utah units."""

from __future__ import annotations

from datetime import date

import pytest
from figure_days import (
    DAY,
    FIVE_MINUTES,
    LONG_DAY,
    SHORT_DAY,
    course,
    samples_of,
    steadily,
)
from hypothesis import given
from hypothesis import strategies as st

from hortus.domain.figures.chill import Chill, chill_of_day, chill_of_hours, season_start
from hortus.domain.figures.hourly import HourlyMean
from hortus.domain.figures.samples import Period, Sample


def hours(*celsius: float | None) -> list[HourlyMean]:
    return [HourlyMean(3600, each) for each in celsius]


@pytest.mark.parametrize(
    ("celsius", "below", "frost_free", "utah", "positive"),
    [
        ([5] * 24, 24, 24, 24, 24),
        ([5] * 12 + [20] * 12, 12, 12, 0, 12),
        ([-3] * 24, 24, 0, 0, 0),
        (list(range(24)), 8, 7, 2.5, 9),
        ([7.2] * 24, 0, 0, 24, 24),
    ],
)
def test_chill(celsius: list[float], below: float, frost_free: float, utah: float, positive: float) -> None:
    assert chill_of_hours(hours(*celsius)) == Chill(
        hours_below=below,
        frost_free_hours_below=frost_free,
        utah_units=utah,
        positive_utah_units=positive,
        missing_hours=0,
    )


def test_a_steady_temperature_at_a_limit_is_not_below_it() -> None:
    found = chill_of_day(steadily(7.2, DAY, minutes=7), DAY, FIVE_MINUTES)
    assert (found.hours_below, found.utah_units, found.missing_hours) == (0, 24, 0)


@pytest.mark.parametrize(("day", "length"), [(SHORT_DAY, 23), (LONG_DAY, 25)])
def test_chill_of_days_on_which_clocks_change(day: Period, length: int) -> None:
    assert chill_of_day(steadily(5, day), day, FIVE_MINUTES).hours_below == length


def test_missing_hours_add_no_chill_and_are_counted() -> None:
    found = chill_of_day(course(lambda _: 5, end_hours=20), DAY, FIVE_MINUTES)
    assert (found.hours_below, found.missing_hours) == (20, 4)


@given(samples_of(st.floats(-20, 30), most=200))
def test_positive_units_are_never_less_and_frost_free_hours_never_more(samples: list[Sample]) -> None:
    found = chill_of_day(samples, DAY, 1200)
    assert found.positive_utah_units >= max(0, found.utah_units)
    assert found.frost_free_hours_below <= found.hours_below
    assert found == chill_of_day(samples[::-1] + samples, DAY, 1200)


def test_the_season_of_chill_begins_in_autumn() -> None:
    assert season_start(date(2026, 11, 30), 52) == date(2026, 10, 1)
    assert season_start(date(2027, 2, 1), 52) == date(2026, 10, 1)
    assert season_start(date(2027, 2, 1), -34) == date(2026, 4, 1)
