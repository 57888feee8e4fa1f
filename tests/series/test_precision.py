from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hortus.domain.definitions.precision import decimals_of, places_for


def test_decimals_belong_to_the_quantity():
    assert [decimals_of(each) for each in ("Temperature", "Humidity", "pH", "Light intensity", "Wind")] == [
        1, 0, 1, 0, 2,
    ]  # fmt: skip


def test_a_column_is_rounded_to_one_place_more_than_is_shown():
    assert places_for("Temperature", [21.4285714, 9.0]) == 2
    assert places_for("Pressure", [1011.26]) == 1
    assert places_for("Wind", [12.3456]) == 3
    assert places_for("Temperature", []) == 2


def test_a_curve_of_small_differences_has_no_steps():
    assert places_for("Pressure", [1011.0, 1015.0]) == 2
    assert places_for("Pressure", [1000.0, 1040.0]) == 1
    assert places_for("Temperature", [20.0, 20.001]) == 3


def test_tiny_values_do_not_vanish():
    assert round(0.0000123456, places_for("Wind", [0.0000123456])) == 0.00001235


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_rounding_never_fails_and_keeps_the_order(values):
    places = places_for("Wind", values)
    rounded = [round(value, places) for value in sorted(values)]
    assert rounded == sorted(rounded)
