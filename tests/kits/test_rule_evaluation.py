"""What a kit does by its rules: values that kit 1.0.0b8 gave, and properties of the calculation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hortus.domain.kits.control_rules import INPUT_VARIABLES, OUTPUT_VARIABLES, broken_rules
from hortus.domain.kits.rule_evaluation import (
    DAY_SECONDS,
    Controller,
    chosen_schedule,
    continuous_value,
    modified,
    scaled,
    second_of_day,
    simulated_day,
    truth_of_word,
    value_at,
)

CLIMATE, HEATER, NIGHT_HEATER = ("Climate", 1), ("Heater", "heat"), ("Night heater", "heat")


def condition(word, **more):
    return {"peripheral": "Climate", "quantityType": 1, "fuzzyVariable": word, **more}


def implied(word):
    return [{"peripheral": "Heater", "command": "heat", "fuzzyVariable": word}]


def chosen(number):
    return [{"peripheral": "Night heater", "command": "heat", "schedule": number}]


def rule(conditions, implication=(), schedules=(), active=("00:00:00", "23:59:59")):
    return {
        "condition": conditions,
        "implication": list(implication),
        "schedules": list(schedules),
        "activeFrom": active[0],
        "activeTo": active[1],
    }


def entries(**values):
    return [{"time": f"{hour[1:]}:00:00", "value": value} for hour, value in values.items()]


def control(*rules):
    settings = {
        "nominalRange": 2.0,
        "nominalDeltaRange": 0.8,
        "deltaMeasurements": 3,
        "interpolated": True,
        "setpoints": entries(h00=19.0, h07=24.0, h20=21.0),
    }
    schedules = [{"schedule": entries(h06=60, h22=0)}, {"schedule": entries(h08=20, h18=0)}]
    return {
        "input": {"Climate": {"1": settings}},
        "output": {
            "Heater": {"heat": {"type": "continuous", "continuous": {"minimal": 0, "maximal": 100}}},
            "Night heater": {
                "heat": {"type": "scheduled", "scheduled": {"interpolated": False, "schedules": schedules}}
            },
        },
        "rules": list(rules),
    }


RULES = (
    rule([condition("largeNegative")], implied("maximal"), chosen(1)),
    rule(
        [condition("nominal", hedge="slightly"), condition("largePositive", negation=True, delta=True)],
        implied("low"),
        active=("06:00:00", "22:00:00"),
    ),
    rule([condition("largePositive")], implied("minimal"), chosen(2)),
)

# Time of day, temperature, and what the kit's own program then sent to Heater and Night heater.
OF_THE_KIT = [
    (3600, 15.0, 100, 0),
    (7200, 18.2, 0, 0),
    (9000, 16.9, 100, 0),
    (10800, 20.4, 0, 0),
    (21700, 22.9, 0, 60),
    (28800, 24.1, 0, 60),
    (36000, 23.0, 0, 60),
    (36300, 22.4, 25.0, 60),
    (36600, 21.4, 25.0, 60),
    (54000, 22.0, 25.0, 60),
    (54300, 24.4, 0, 60),
    (64800, 23.9, 0, 60),
    (79300, 21.3, 0, 0),
    (82800, 19.3, 0, 0),
    (86000, 18.0, 0, 0),
]


def test_it_gives_the_values_of_the_kit():
    controller = Controller(control(*RULES))
    for seconds, temperature, heater, night_heater in OF_THE_KIT:
        controller.measure(seconds, CLIMATE, temperature)
        assert controller.value(HEATER, seconds) == pytest.approx(heater)
        assert controller.value(NIGHT_HEATER, seconds) == night_heater


def test_nothing_is_sent_to_an_output_before_a_rule_mentions_it():
    controller = Controller(control(rule([condition("nominal")], implied("high"), active=("06:00", "07:00"))))
    assert controller.value(HEATER, 0) is None
    controller.measure(3600, CLIMATE, 20.0)
    assert controller.value(HEATER, 3600) is None


def test_an_output_keeps_what_it_had_when_its_rules_are_no_longer_active():
    controller = Controller(
        control(rule([condition("largeNegative")], implied("maximal"), active=("06:00", "07:00")))
    )
    controller.measure(second_of_day("06:30"), CLIMATE, 0.0)
    controller.measure(second_of_day("12:00"), CLIMATE, 40.0)
    assert controller.value(HEATER, second_of_day("12:00")) == 100


def test_a_rule_without_conditions_is_never_true():
    controller = Controller(control(rule([], implied("maximal"))))
    controller.measure(0, CLIMATE, 0.0)
    assert controller.value(HEATER, 0) == 0


def test_a_condition_without_data_is_false_even_if_it_is_negated():
    negated = rule([condition("largePositive", delta=True, negation=True)], implied("maximal"))
    controller = Controller(control(negated))
    controller.measure(0, CLIMATE, 20.0)
    assert controller.value(HEATER, 0) == 0
    for seconds in (60, 120, 180):
        controller.measure(seconds, CLIMATE, 20.0)
    assert controller.value(HEATER, 180) == 100


def test_a_minimal_value_above_the_maximal_one_is_sent_always():
    assert {continuous_value({"maximal": truth}, 10, 5) for truth in (0, 0.5, 1)} == {10}


def test_the_last_schedule_is_followed_until_a_rule_votes():
    assert chosen_schedule([None, None, None]) == 3
    assert chosen_schedule([None, 0.0, None]) == 2
    assert chosen_schedule([0.5, 0.5, None]) == 1
    assert chosen_schedule([0.0, 0.1, 0.05]) == 2


def test_targets_hold_over_midnight_and_slope_across_it():
    points = entries(h06=10.0, h18=22.0)
    assert value_at(points, 0, interpolated=False) == 22.0
    assert value_at(points, 0, interpolated=True) == 16.0
    assert value_at(points, second_of_day("12:00"), interpolated=True) == 16.0
    assert value_at([{"time": "00:00", "value": None}, *points], 3600, interpolated=True) is None


def test_a_day_is_what_it_becomes_and_not_how_it_began():
    control_rules = control(rule([condition("nominal")], implied("high"), active=("20:00", "21:00")))
    moments = list(simulated_day(control_rules, {}, step_seconds=3600))
    assert len(moments) == 24
    kept = [moment.outputs[HEATER] for moment in moments]
    assert kept == pytest.approx([75.0] * 24), "the evening before already"
    assert [moment.seconds for moment in moments if moment.truths[0] is not None] == [72_000, 75_600]


POSITIONS = st.floats(-1, 1)
TRUTHS = st.floats(0, 1)
NUMBERS = st.floats(-1e6, 1e6)
TIMES = st.integers(0, DAY_SECONDS - 1).map(lambda s: f"{s // 3600:02}:{s // 60 % 60:02}:{s % 60:02}")
ENTRIES = st.dictionaries(TIMES, st.floats(-100, 100), min_size=1, max_size=5).map(
    lambda values: [{"time": time, "value": values[time]} for time in sorted(values)]
)


@given(POSITIONS)
def test_at_each_place_one_word_is_true_by_more_than_a_third(position):
    truths = [truth_of_word(word, position) for word in INPUT_VARIABLES]
    assert all(0 <= truth <= 1 for truth in truths)
    assert max(truths) >= 0.37
    assert sum(truth > 0 for truth in truths) <= 2


@given(NUMBERS, st.floats(1e-3, 1e6))
def test_the_scale_ends_at_one_and_turns_about_zero(difference, nominal_range):
    assert -1 <= scaled(difference, nominal_range) <= 1
    assert scaled(-difference, nominal_range) == -scaled(difference, nominal_range)
    assert truth_of_word("nominal", scaled(nominal_range, nominal_range)) == pytest.approx(0, abs=1e-9)


@given(TRUTHS)
def test_very_asks_for_more_and_slightly_for_less(truth):
    very, slightly = modified(truth, "very", negated=False), modified(truth, "slightly", negated=False)
    assert 0 <= very <= truth <= slightly <= 1
    assert modified(truth, "very", negated=True) == 1 - very


@given(st.dictionaries(st.sampled_from(OUTPUT_VARIABLES), TRUTHS), NUMBERS, st.floats(0, 1e6))
def test_a_continuous_output_stays_within_its_limits(truths, minimal, span):
    assert minimal <= continuous_value(truths, minimal, minimal + span) <= minimal + span


@given(st.sampled_from(OUTPUT_VARIABLES), st.floats(0.01, 1))
def test_a_word_alone_gives_its_own_value_however_true_it_is(word, truth):
    place = OUTPUT_VARIABLES.index(word) / 4
    assert continuous_value({word: truth}, 0, 100) == pytest.approx(100 * place)


@given(ENTRIES, st.integers(0, DAY_SECONDS - 1))
def test_values_between_two_times_lie_between_their_values(points, seconds):
    values = [point["value"] for point in points]
    assert value_at(points, seconds, interpolated=False) in values
    assert min(values) - 1e-9 <= value_at(points, seconds, interpolated=True) <= max(values) + 1e-9
    for point in points:
        assert value_at(points, second_of_day(point["time"]), interpolated=True) == point["value"]


CONDITIONS = st.builds(
    condition,
    st.sampled_from(INPUT_VARIABLES),
    negation=st.booleans(),
    delta=st.booleans(),
    hedge=st.sampled_from(["very", "slightly", None]),
)
RULE_LISTS = st.lists(
    st.builds(
        lambda conditions, word, number, times: rule(
            conditions, implied(word), chosen(number), tuple(sorted(times))
        ),
        st.lists(CONDITIONS, max_size=3),
        st.sampled_from(OUTPUT_VARIABLES),
        st.integers(1, 2),
        st.tuples(TIMES, TIMES),
    ),
    max_size=4,
)


@given(RULE_LISTS, st.none() | st.floats(-50, 80))
def test_any_rules_without_faults_make_a_day(rules, supposed):
    control_rules = control(*rules)
    assert not broken_rules({"fuzzyControl": control_rules})
    suppositions = {} if supposed is None else {CLIMATE: supposed}
    for moment in simulated_day(control_rules, suppositions, step_seconds=4000):
        assert moment.outputs[HEATER] is None or 0 <= moment.outputs[HEATER] <= 100
        assert moment.outputs[NIGHT_HEATER] in {0, 20, 60}
        assert all(truth is None or 0 <= truth <= 1 for truth in moment.truths)


@given(RULE_LISTS, st.lists(st.tuples(st.integers(0, DAY_SECONDS - 1), st.floats(-50, 80)), max_size=6))
def test_the_order_of_rules_does_not_matter(rules, measurements):
    controllers = Controller(control(*rules)), Controller(control(*reversed(rules)))
    for seconds, value in measurements:
        for controller in controllers:
            controller.measure(seconds, CLIMATE, value)
        first, second = (controller.values(seconds) for controller in controllers)
        assert first[HEATER] == (None if second[HEATER] is None else pytest.approx(second[HEATER]))
        assert first[NIGHT_HEATER] == second[NIGHT_HEATER]
