"""The length of days from the sun."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hortus.domain.figures.day_length import (
    CENTRE_OF_SUN_DEGREES,
    CIVIL_TWILIGHT_DEGREES,
    SUNRISE_DEGREES,
    day_length_hours,
)
from hortus.domain.figures.limits import OutOfRange


def test_example_9_of_fao_56() -> None:
    assert day_length_hours(-20, date(2026, 9, 3)) == pytest.approx(11.7, abs=0.05)
    assert day_length_hours(-20, date(2026, 9, 3)) == pytest.approx(11.666, abs=5e-4)


@pytest.mark.parametrize(
    ("latitude", "day", "centre", "sunrise", "twilight"),
    [
        (52.37, date(2026, 6, 21), 16.56, 16.80, 18.47),
        (52.37, date(2026, 12, 21), 7.44, 7.68, 9.06),
        (0, date(2026, 3, 21), 12.00, 12.11, 12.80),
        (70, date(2026, 6, 21), 24, 24, 24),
        (70, date(2026, 12, 21), 0, 0, 4.12),
    ],
)
def test_day_length_by_three_definitions(
    latitude: float, day: date, centre: float, sunrise: float, twilight: float
) -> None:
    altitudes = (CENTRE_OF_SUN_DEGREES, SUNRISE_DEGREES, CIVIL_TWILIGHT_DEGREES)
    found = [day_length_hours(latitude, day, each) for each in altitudes]
    assert found == pytest.approx([centre, sunrise, twilight], abs=0.005)


@given(st.floats(-90, 90), st.dates())
def test_day_length_is_0_to_24_hours_and_opposite_on_the_other_side_of_the_earth(
    latitude: float, day: date
) -> None:
    hours = day_length_hours(latitude, day)
    assert 0 <= hours <= 24
    assert hours + day_length_hours(-latitude, day) == pytest.approx(24)


def test_there_is_no_day_length_beyond_the_poles() -> None:
    with pytest.raises(OutOfRange):
        day_length_hours(90.1, date(2026, 6, 21))
