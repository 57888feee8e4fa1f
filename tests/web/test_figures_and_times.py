"""Numbers, units, ages and times as people read them, in each language."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hortus.base.language.translation import speaking
from hortus.domain.definitions.display import QUANTITY_DISPLAYS
from hortus.domain.definitions.store import built_in_definitions
from hortus.domain.plants.state import Condition, Range
from hortus.http.pages import figures, times
from hortus.http.pages.band import WIDTH, band_of

NOW = datetime(2026, 11, 29, 14, 5, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "quantity", "text"),
    [
        (21.456, "Temperature", "21.5"),
        (-3.25, "Temperature", "−3.2"),
        (-0.04, "Temperature", "0.0"),
        (53.5, "Humidity", "54"),
        (1011.24, "Pressure", "1,011"),
        (474.0, "Concentration", "474"),
        (0.0, "Light intensity", "0"),
        (3.14, "Light intensity", "3.1"),
        (10.4, "Light intensity", "10"),
        (6.04, "pH", "6.0"),
        (1.234, "Electrical conductivity", "1.23"),
    ],
)
def test_decimals_belong_to_the_quantity(value, quantity, text):
    assert figures.measured(value, quantity) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (21.456, "21.5"),
        (-3.25, "−3.25"),
        (0.0, "0.00"),
        (1013.24, "1,013.2"),
        (65535.0, "65,535"),
        (0.0004, "0.0004"),
        (1e12, "1e+12"),
        (-1e-300, "−1e-300"),
    ],
)
def test_values_of_unknown_quantities_have_the_digits_that_a_sensor_has_to_say(value, text):
    assert figures.measured(value, "Happiness") == text


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([*QUANTITY_DISPLAYS, "Happiness"]))
def test_any_value_has_a_short_text(value, quantity):
    assert 0 < len(figures.measured(value, quantity)) <= 12


def test_every_built_in_quantity_has_its_decimals():
    built_in = {each["physicalQuantity"] for each in built_in_definitions()["quantityTypes"]}
    assert built_in <= set(QUANTITY_DISPLAYS)


@pytest.mark.parametrize(
    ("tag", "text"),
    [("en", "1,011.50\u202fhPa"), ("de", "1.011,50\u202fhPa"), ("nl", "1.011,50\u202fhPa")],
)
def test_numbers_are_written_as_the_language_has_it(tag, text):
    with speaking(tag):
        assert figures.with_unit(figures.fixed(1011.5, 2), "hPa") == text


@pytest.mark.parametrize(
    ("tag", "unit", "text"),
    [
        ("en", "%", "53%"),
        ("de", "%", "53\u202f%"),
        ("nl", "%", "53%"),
        ("en", "PPM", "53\u202fppm"),
        ("en", "°", "53°"),
        ("en", "", "53"),
    ],
)
def test_units_stand_as_the_language_has_it(tag, unit, text):
    with speaking(tag):
        assert figures.with_unit("53", unit) == text


@pytest.mark.parametrize(
    ("range_", "text"),
    [
        (Range(minimum=15.0, maximum=24.0), "15–24"),
        (Range(minimum=-2.5, maximum=1200.0), "−2.5–1,200"),
        (Range(minimum=15.0), "at least 15"),
        (Range(maximum=24.0), "at most 24"),
        (Range(), ""),
    ],
)
def test_a_range_is_written_as_a_person_entered_it(range_, text):
    assert figures.bounds(range_) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(9999, "9,999"), (12_400, "12.4 k"), (999_999, "999.9 k"), (1_250_000, "1.2 M")],
)
def test_large_counts_are_shortened_and_never_rounded_up(count, text):
    assert figures.short_count(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s ago"),
        (0.9, "0 s ago"),
        (59, "59 s ago"),
        (60, "1 min ago"),
        (3599, "59 min ago"),
        (3600, "1 h ago"),
        (7860, "2 h 11 min ago"),
        (48 * 3600 - 1, "47 h 59 min ago"),
        (48 * 3600, "27 Nov, 14:05 UTC"),
        (400 * 86_400, "25 Oct 2025, 14:05 UTC"),
    ],
)
def test_ages_have_two_units_and_become_dates_after_two_days(seconds, text):
    assert times.ago(NOW - timedelta(seconds=seconds), NOW) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (3, "3 s"),
        (130, "2 min"),
        (7800, "2 h 10 min"),
        (86_400, "24 h"),
        (176_400, "2 d 1 h"),
        (864_000, "10 d"),
    ],
)
def test_durations_have_two_units_at_most(seconds, text):
    assert times.duration(seconds) == text


@pytest.mark.parametrize(
    ("tag", "ago", "date"),
    [
        ("en", "2 h 10 min ago", "27 Nov, 13:05 UTC"),
        ("de", "vor 2 h 10 min", "27. Nov., 13:05 Uhr UTC"),
        ("nl", "2 u 10 min geleden", "27 nov, 13:05 UTC"),
    ],
)
def test_ages_and_dates_are_written_as_the_language_has_it(tag, ago, date):
    with speaking(tag):
        assert times.ago(NOW - timedelta(minutes=130), NOW) == ago
        assert times.ago(NOW - timedelta(hours=49), NOW) == date


def test_the_exact_time_names_its_zone():
    assert times.exact(NOW) == "29 November 2026, 14:05:11 UTC"


def test_a_band_bar_is_twice_as_wide_as_the_range_and_marks_what_lies_outside():
    range_ = Range(minimum=15.0, maximum=25.0)
    middle, low, far = (band_of(value, range_, Condition.OK) for value in (20.0, 12.5, -40.0))
    assert (middle.start, middle.end, middle.mark, middle.beyond) == (25, 75, 50, False)
    assert (low.mark, low.beyond) == (12.5, False)
    assert (far.mark, far.beyond) == (0, True)
    assert band_of(20.0, range_, None) is None
    assert band_of(20.0, Range(), Condition.OK) is None


_NUMBERS = st.none() | st.floats(allow_nan=False, allow_infinity=False)


@given(st.floats(allow_nan=False, allow_infinity=False), _NUMBERS, _NUMBERS)
def test_a_band_bar_stays_within_its_frame(value, one, other):
    low, high = sorted((one, other)) if one is not None and other is not None else (one, other)
    band = band_of(value, Range(minimum=low, maximum=high), Condition.OK)
    assert band is None or 0 <= band.start <= band.end <= WIDTH
    assert band is None or 0 <= band.mark <= WIDTH
