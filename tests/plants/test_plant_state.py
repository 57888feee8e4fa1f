"""The state of a plant: ranges with inclusive bounds, freshness, and its worst quantity. Pure."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hortus.domain.plants.state import (
    Condition,
    QuantityState,
    Range,
    Reading,
    judge,
    judge_plant,
    ranges_of_plant,
    worst,
)

NOW = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)

numbers = st.floats(allow_nan=False, allow_infinity=False)
conditions = st.sampled_from(Condition)


def reading(value: float, age: timedelta = timedelta()) -> Reading:
    return Reading(value=value, at=NOW - age)


@pytest.mark.parametrize(
    ("value", "condition"),
    [
        (math.nextafter(18.0, 0.0), Condition.LOW),
        (18.0, Condition.OK),
        (20.0, Condition.OK),
        (27.5, Condition.OK),
        (math.nextafter(27.5, 99.0), Condition.HIGH),
    ],
)
def test_both_bounds_belong_to_a_range(value: float, condition: Condition) -> None:
    assert Range(minimum=18.0, maximum=27.5).condition_of(value) is condition


def test_a_range_may_have_one_bound_only() -> None:
    at_least, at_most = Range(minimum=10), Range(maximum=10)
    assert [at_least.condition_of(value) for value in (9.9, 10, 1e300)] == ["low", "ok", "ok"]
    assert [at_most.condition_of(value) for value in (-1e300, 10, 10.1)] == ["ok", "ok", "high"]


@given(numbers, numbers, numbers)
def test_a_value_is_low_or_high_exactly_if_it_is_outside(first: float, second: float, value: float) -> None:
    minimum, maximum = sorted((first, second))
    condition = Range(minimum=minimum, maximum=maximum).condition_of(value)
    assert (condition is Condition.LOW) == (value < minimum)
    assert (condition is Condition.HIGH) == (value > maximum)


def test_a_reading_counts_until_it_is_as_old_as_allowed_and_no_longer() -> None:
    right = Range(minimum=0)
    assert judge(right, reading(5, HOUR), NOW, HOUR) is Condition.OK
    assert judge(right, reading(5, HOUR + timedelta(microseconds=1)), NOW, HOUR) is Condition.NO_DATA
    assert judge(right, None, NOW, HOUR) is Condition.NO_DATA
    # Zero is a value: a first reading that is missing must not count as 0 and alert falsely.
    assert judge(right, reading(0), NOW, HOUR) is Condition.OK


def test_a_plants_own_range_replaces_its_species_and_one_without_bounds_takes_it_away() -> None:
    species = {1: Range(minimum=18, maximum=27), 3: Range(minimum=40), 14: Range(maximum=1500)}
    own = {1: Range(maximum=30), 3: Range(), 7: Range(minimum=5)}
    assert ranges_of_plant(species, own) == {
        1: Range(maximum=30),
        14: Range(maximum=1500),
        7: Range(minimum=5),
    }


def test_a_plant_is_judged_by_what_has_a_range_and_is_measured() -> None:
    ranges = {1: Range(minimum=18), 3: Range(minimum=40), 13: Range(minimum=40)}
    measured = {1: reading(17.0), 13: None, 14: reading(900)}
    assert judge_plant(ranges, measured, NOW, HOUR) == [
        QuantityState(quantity_type_id=1, condition=Condition.LOW, range=ranges[1], reading=measured[1]),
        # Nothing measures the humidity of the air here, which says nothing about the plant.
        QuantityState(quantity_type_id=3, condition=None, range=ranges[3], reading=None),
        QuantityState(quantity_type_id=13, condition=Condition.NO_DATA, range=ranges[13], reading=None),
        QuantityState(quantity_type_id=14, condition=None, range=None, reading=measured[14]),
    ]


def test_an_old_reading_is_shown_although_it_is_not_judged() -> None:
    old = reading(17.0, 2 * HOUR)
    (state,) = judge_plant({1: Range(minimum=18)}, {1: old}, NOW, HOUR)
    assert (state.condition, state.reading) == (Condition.NO_DATA, old)


@given(st.lists(conditions, min_size=1))
def test_a_plant_is_as_bad_as_its_worst_quantity(of_quantities: list[Condition]) -> None:
    result = worst(of_quantities)
    assert result in of_quantities
    worse_than = {
        Condition.OK: {Condition.NO_DATA, Condition.LOW, Condition.HIGH},
        Condition.NO_DATA: {Condition.LOW, Condition.HIGH},
    }
    assert worse_than.get(result, set()).isdisjoint(of_quantities)


@given(st.lists(conditions), st.lists(st.none()))
def test_what_is_not_judged_changes_nothing(judged: list[Condition], unjudged: list[None]) -> None:
    assert worst([*unjudged, *judged]) is worst(judged)


def test_out_of_range_is_worse_than_no_data_which_is_worse_than_right() -> None:
    assert worst([Condition.OK, Condition.NO_DATA]) is Condition.NO_DATA
    assert worst([Condition.NO_DATA, Condition.LOW]) is Condition.LOW
    assert worst([Condition.HIGH, Condition.NO_DATA, Condition.OK]) is Condition.HIGH
    assert worst([]) is Condition.NO_DATA
