"""The rules by which readings open and close alerts: properties, and the cases that users care about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hortus.domain.alerts.judging import (
    LATE_AFTER,
    SNOOZED_WITHOUT_END,
    AlertRule,
    AlertState,
    Event,
    EventKind,
    JudgedReading,
    Side,
    judge,
    judge_all,
    message_accepted,
    message_given_up,
    nobody_reached,
)

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
OPENED, DUE, OVER = EventKind.OPENED, EventKind.MESSAGE_DUE, EventKind.OVER

RULE = AlertRule(minimum=40, maximum=60, hysteresis=2)
SLOW = AlertRule(minimum=40, maximum=60, hysteresis=2, hold=timedelta(minutes=5))

RULES = st.builds(
    AlertRule,
    minimum=st.none() | st.floats(0, 50),
    maximum=st.none() | st.floats(50, 100),
    hysteresis=st.floats(0, 20),
    hold=st.timedeltas(timedelta(), timedelta(minutes=10)),
    pause=st.timedeltas(timedelta(), timedelta(hours=1)),
)
VALUES = st.floats(-10, 110)


def at(minutes: float, value: float) -> JudgedReading:
    return JudgedReading(at=START + timedelta(minutes=minutes), value=value)


def run(
    rule: AlertRule, *readings: JudgedReading, state: AlertState | None = None
) -> tuple[AlertState, list[Event]]:
    """Judge each reading at its own time, like a job that keeps up."""
    state, events = state or AlertState(), []
    for reading in readings:
        state, more = judge(state, rule, reading, reading.at)
        events += more
    return state, events


def kinds(events: list[Event]) -> list[EventKind]:
    return [event.kind for event in events]


@pytest.mark.parametrize("value", [40, 50, 60])
def test_bounds_belong_to_the_range(value: float) -> None:
    assert run(RULE, at(0, value))[1] == []


@pytest.mark.parametrize(("value", "side"), [(39.99, Side.LOW), (60.01, Side.HIGH)])
def test_beyond_a_bound_an_alert_opens_and_a_message_is_due(value: float, side: Side) -> None:
    reading = at(0, value)
    state, events = run(RULE, reading)
    assert events == [
        Event(kind=OPENED, side=side, reading=reading, since=START),
        Event(kind=DUE, side=side, reading=reading, since=START),
    ]
    assert (state.open, state.message_waiting) == (side, True)


def test_an_absent_bound_is_no_bound() -> None:
    assert run(AlertRule(minimum=40), at(0, 1e9))[1] == []
    assert run(AlertRule(maximum=60), at(0, -1e9))[1] == []


def test_it_must_be_out_of_range_for_a_while_without_a_break() -> None:
    state, events = run(SLOW, at(0, 30), at(4, 30), at(4.5, 50), at(5, 30), at(9.9, 30))
    assert events == []
    _, events = run(SLOW, at(10, 31), state=state)
    assert [(event.kind, event.since) for event in events] == [
        (OPENED, START + timedelta(minutes=5)),
        (DUE, START + timedelta(minutes=10)),
    ]


def test_it_is_over_only_after_it_was_well_inside_for_a_while() -> None:
    state, _ = run(SLOW, at(0, 30), at(5, 30))
    state, events = run(SLOW, at(6, 41), at(20, 41.9), at(21, 42), at(25, 42), at(25.5, 41), state=state)
    assert events == []
    state, events = run(SLOW, at(26, 42), at(31, 45), state=state)
    assert kinds(events) == [OVER]
    assert events[0].since == START + timedelta(minutes=26)
    assert state.open is None


def test_from_one_side_to_the_other_the_first_alert_ends_before_the_second_opens() -> None:
    state, _ = run(SLOW, at(0, 30), at(5, 30))
    _, events = run(SLOW, at(6, 70), at(11, 70), state=message_accepted(state, SLOW, START))
    assert [(event.kind, event.side) for event in events] == [(OVER, Side.LOW), (OPENED, Side.HIGH)]


def test_the_pause_begins_when_a_message_was_accepted_and_ends_by_itself() -> None:
    state, events = run(RULE, at(0, 30))
    assert kinds(events) == [OPENED, DUE]
    state, events = run(RULE, at(60 * 20, 30), state=state)  # the mail server is down for 20 hours
    assert events == []
    state = message_accepted(state, RULE, START + timedelta(hours=20))
    state, events = run(RULE, at(60 * 31.9, 30), state=state)
    assert events == []
    state, events = run(RULE, at(60 * 32, 30), state=state)
    assert kinds(events) == [DUE]


def test_a_message_that_was_given_up_is_asked_for_again_but_not_at_once() -> None:
    state, _ = run(RULE, at(0, 30))
    state, events = run(
        RULE, at(1, 30), at(60.9, 30), state=message_given_up(state, START + timedelta(minutes=1))
    )
    assert events == []
    state, events = run(RULE, at(61, 30), state=state)
    assert kinds(events) == [DUE]
    _, events = run(RULE, at(71, 30), state=nobody_reached(state, START + timedelta(minutes=61)))
    assert kinds(events) == [DUE]


def test_a_new_alert_within_the_pause_opens_without_a_message() -> None:
    state, _ = run(RULE, at(0, 30))
    _, events = run(RULE, at(1, 50), at(2, 30), at(3, 50), state=message_accepted(state, RULE, START))
    assert kinds(events) == [OVER, OPENED, OVER]


def test_who_has_seen_an_alert_is_not_reminded_but_told_of_the_next() -> None:
    rule = AlertRule(minimum=40, pause=timedelta(minutes=1))
    state, _ = run(rule, at(0, 30))
    seen = AlertState(judged_until=state.judged_until, open=Side.LOW, seen=True)
    state, events = run(rule, at(10, 30), state=seen)
    assert events == []
    _, events = run(rule, at(11, 50), at(12, 30), state=state)
    assert kinds(events) == [OVER, OPENED, DUE]


def test_what_was_done_about_the_last_alert_does_not_delay_the_message_about_the_next() -> None:
    before = AlertState(judged_until=START, seen=True, snoozed_until=SNOOZED_WITHOUT_END)
    state, events = run(RULE, at(1, 30), state=before)
    assert kinds(events) == [OPENED, DUE]
    assert (state.seen, state.snoozed_until) == (False, None)


def test_nobody_is_reminded_of_a_snoozed_alert_until_the_snooze_ends() -> None:
    rule = AlertRule(minimum=40, pause=timedelta(minutes=1))
    snoozed = AlertState(
        judged_until=START, open=Side.LOW, quiet_until=START, snoozed_until=START + timedelta(minutes=60)
    )
    state, events = run(rule, at(10, 30), at(59, 30), state=snoozed)
    assert events == []
    assert kinds(run(rule, at(60, 30), state=state)[1]) == [DUE]
    assert kinds(run(rule, at(10, 50), state=snoozed)[1]) == [OVER]


def test_late_data_changes_nothing() -> None:
    state, _ = run(RULE, at(10, 50))
    for late in (at(9, 10), at(10, 10)):
        assert judge(state, RULE, late, START + timedelta(minutes=11)) == (state, ())


def test_a_backlog_of_days_alarms_for_its_last_hour_only() -> None:
    now = START + timedelta(days=3)
    old = [JudgedReading(at=START + timedelta(hours=hour), value=10) for hour in range(60)]
    state, events = judge_all(AlertState(), RULE, old, now)
    assert (state, events) == (AlertState(), ())
    _, events = judge_all(AlertState(), RULE, [*old, JudgedReading(at=now - LATE_AFTER, value=10)], now)
    assert [event.kind for event in events] == [OPENED, DUE]


@given(RULES, st.lists(VALUES, max_size=60))
def test_there_is_never_more_than_one_open_alert(rule: AlertRule, values: list[float]) -> None:
    state, open_alerts = AlertState(), 0
    for minute, value in enumerate(values):
        state, events = run(rule, at(minute, value), state=state)
        for event in events:
            open_alerts += {OPENED: 1, OVER: -1, DUE: 0}[event.kind]
            assert open_alerts in {0, 1}
        assert (state.open is not None) == (open_alerts == 1)


@given(st.lists(st.floats(40, 42, exclude_max=True), max_size=60), st.sampled_from([None, Side.LOW]))
def test_inside_the_band_of_hysteresis_nothing_opens_and_nothing_ends(
    values: list[float], side: Side | None
) -> None:
    state = AlertState(open=side, message_waiting=True)
    state, events = run(RULE, *(at(minute, value) for minute, value in enumerate(values)), state=state)
    assert events == []
    assert state.open is side


@given(RULES, st.lists(st.tuples(st.integers(0, 3000), VALUES), max_size=40), st.randoms())
def test_a_batch_gives_the_same_in_whatever_order_it_comes(
    rule: AlertRule, pairs: list[tuple[int, float]], random: object
) -> None:
    now = START + timedelta(seconds=3000)
    readings = [JudgedReading(at=START + timedelta(seconds=seconds), value=value) for seconds, value in pairs]
    shuffled = sorted(readings, key=lambda _: random.random())  # type: ignore[attr-defined]
    assert judge_all(AlertState(), rule, shuffled, now) == judge_all(AlertState(), rule, readings, now)


@given(RULES, st.lists(st.tuples(st.integers(0, 3000), VALUES), max_size=40), st.integers(0, 40))
def test_batches_one_after_the_other_give_the_same_as_one(
    rule: AlertRule, pairs: list[tuple[int, float]], cut: int
) -> None:
    now = START + timedelta(seconds=3000)
    readings = sorted(
        (
            JudgedReading(at=START + timedelta(seconds=seconds), value=value)
            for seconds, value in dict(pairs).items()
        ),
        key=lambda each: each.at,
    )
    whole = judge_all(AlertState(), rule, readings, now)
    state, first = judge_all(AlertState(), rule, readings[:cut], now)
    state, second = judge_all(state, rule, readings[cut:], now)
    assert (state, first + second) == whole


@given(RULES, st.lists(VALUES, max_size=60))
def test_an_alert_opens_and_ends_only_after_it_held(rule: AlertRule, values: list[float]) -> None:
    state = AlertState()
    readings = [at(minute, value) for minute, value in enumerate(values)]
    for index, reading in enumerate(readings):
        state, events = run(rule, reading, state=state)
        for event in events:
            if event.kind is DUE:
                continue
            assert reading.at - event.since >= rule.hold
            for each in (each for each in readings[: index + 1] if each.at >= event.since):
                if event.kind is OPENED:
                    assert rule.side_of(each.value) is event.side
                else:
                    assert rule.is_back(event.side, each.value)


@given(RULES, st.lists(VALUES, max_size=60), st.integers(1, 5))
def test_between_two_accepted_messages_lies_the_pause(
    rule: AlertRule, values: list[float], minutes_to_accept: int
) -> None:
    state, accepted_at, asked_at = AlertState(), None, None
    for minute, value in enumerate(values):
        reading = at(minute, value)
        if asked_at is not None and reading.at - asked_at >= timedelta(minutes=minutes_to_accept):
            state, accepted_at, asked_at = message_accepted(state, rule, reading.at), reading.at, None
        state, events = judge(state, rule, reading, reading.at)
        for event in events:
            if event.kind is DUE:
                assert asked_at is None
                assert accepted_at is None or reading.at - accepted_at >= rule.pause
                asked_at = reading.at
