"""When a reading makes an alert, and when it is over. Pure: values in, values out, no clock.

    in range --out of range, for as long as `hold`--> open --back by `hysteresis`, for as long as `hold`--> over

One quantity of one plant has at most one open alert. Readings count in the order of their times: what is not
newer than the last one judged changes nothing, so late data never alarms for the past, and whatever order a
batch comes in, `judge_all` gives the same. A reading that is older than LATE_AFTER when it is judged is history
and not looked at.

The pause between messages begins when one was accepted for delivery (`message_accepted`), not when one was
due: a mail server that is down must not cost half a day. The same code over stored readings shows what a rule
would have done.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

LATE_AFTER = timedelta(hours=1)
"""A reading that took longer than this is not judged any more."""

AGAIN_AFTER_GIVING_UP = timedelta(hours=1)
"""When a message is asked for again after none could be delivered."""

AGAIN_IF_NOBODY_REACHED = timedelta(minutes=10)
"""When it is looked again for somebody who can be told."""


class Side(StrEnum):
    """On which side of its range a quantity is."""

    LOW = "low"
    HIGH = "high"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRule:
    """In which values a quantity is right, both bounds included; None is no bound.

    `hysteresis` is how far inside its bounds a value must be to be back, in the quantity's unit. `hold` is for
    how long it must be out, or back, before that counts. `pause` is between two messages of one quantity.
    """

    minimum: float | None = None
    maximum: float | None = None
    hysteresis: float = 0.0
    hold: timedelta = timedelta()
    pause: timedelta = timedelta(hours=12)

    def side_of(self, value: float) -> Side | None:
        """Return on which side a value is out of range, or None if it is right."""
        if self.minimum is not None and value < self.minimum:
            return Side.LOW
        if self.maximum is not None and value > self.maximum:
            return Side.HIGH
        return None

    def is_back(self, side: Side, value: float) -> bool:
        """Return whether a value that was out on this side is well inside again, or out on the other side."""
        if side is Side.LOW:
            return self.minimum is None or value >= self.minimum + self._margin
        return self.maximum is None or value <= self.maximum - self._margin

    @property
    def _margin(self) -> float:
        """The hysteresis, but never so much that no value could be back."""
        if self.minimum is None or self.maximum is None:
            return self.hysteresis
        return min(self.hysteresis, max(0.0, (self.maximum - self.minimum) / 2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was measured, and when."""

    at: datetime
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertState:
    """What is known of one quantity of one plant after the readings so far.

    `out` is the side of a run of readings out of range that is not an open alert (yet), `out_since` its first;
    `open` is the side of the open alert, `back_since` the first of a run of readings that are back.
    `message_waiting`: a message was asked for and is neither accepted nor given up; `quiet_until`: none is
    asked for before. `seen`: a person has seen the open alert, and needs no reminder.
    """

    judged_until: datetime | None = None
    out: Side | None = None
    out_since: datetime | None = None
    open: Side | None = None
    back_since: datetime | None = None
    seen: bool = False
    message_waiting: bool = False
    quiet_until: datetime | None = None


class EventKind(StrEnum):
    """What happened to an alert."""

    OPENED = "opened"
    MESSAGE_DUE = "message-due"
    OVER = "over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something to be done. `since` is when the run of readings that led to it began."""

    kind: EventKind
    side: Side
    reading: Reading
    since: datetime


def judge(
    state: AlertState, rule: AlertRule, reading: Reading, now: datetime
) -> tuple[AlertState, tuple[Event, ...]]:
    """Return the state after one more reading, and what is to be done, in this order.

    `now` is when the reading is judged: it decides whether it is too old, and whether the pause is over.
    """
    if state.judged_until is not None and reading.at <= state.judged_until:
        return state, ()
    if now - reading.at > LATE_AFTER:
        return state, ()
    events: list[Event] = []
    state = _follow_run(replace(state, judged_until=reading.at), rule, reading)
    if state.open is not None and state.back_since is not None and reading.at - state.back_since >= rule.hold:
        events.append(Event(kind=EventKind.OVER, side=state.open, reading=reading, since=state.back_since))
        state = replace(state, open=None, back_since=None, seen=False)
    if (
        state.open is None
        and state.out is not None
        and state.out_since is not None
        and reading.at - state.out_since >= rule.hold
    ):
        events.append(Event(kind=EventKind.OPENED, side=state.out, reading=reading, since=state.out_since))
        state = replace(state, open=state.out, out=None, out_since=None)
    if _message_is_due(state, rule, reading, now):
        assert state.open is not None, "a message is about an open alert"
        events.append(Event(kind=EventKind.MESSAGE_DUE, side=state.open, reading=reading, since=reading.at))
        state = replace(state, message_waiting=True)
    return state, tuple(events)


def judge_all(
    state: AlertState, rule: AlertRule, readings: Iterable[Reading], now: datetime
) -> tuple[AlertState, tuple[Event, ...]]:
    """Judge readings in the order of their times, in whatever order they are given."""
    events: list[Event] = []
    for reading in sorted(readings, key=lambda each: (each.at, each.value)):
        state, more = judge(state, rule, reading, now)
        events += more
    return state, tuple(events)


def message_accepted(state: AlertState, rule: AlertRule, at: datetime) -> AlertState:
    """Return the state after a message was accepted for delivery: the pause begins."""
    return replace(state, message_waiting=False, quiet_until=at + rule.pause)


def message_given_up(state: AlertState, at: datetime) -> AlertState:
    """Return the state after no message could be delivered."""
    return replace(state, message_waiting=False, quiet_until=at + AGAIN_AFTER_GIVING_UP)


def nobody_reached(state: AlertState, at: datetime) -> AlertState:
    """Return the state after there was nobody who could be told."""
    return replace(state, message_waiting=False, quiet_until=at + AGAIN_IF_NOBODY_REACHED)


def _follow_run(state: AlertState, rule: AlertRule, reading: Reading) -> AlertState:
    """Begin, continue or end the runs of readings that are out, or back."""
    side = rule.side_of(reading.value)
    back_since = None
    if state.open is not None and rule.is_back(state.open, reading.value):
        back_since = state.back_since or reading.at
    if side is None or side is state.open:
        return replace(state, out=None, out_since=None, back_since=back_since)
    out_since = state.out_since if side is state.out else reading.at
    return replace(state, out=side, out_since=out_since, back_since=back_since)


def _message_is_due(state: AlertState, rule: AlertRule, reading: Reading, now: datetime) -> bool:
    if state.open is None or state.seen or state.message_waiting:
        return False
    # While it is on its way back, a reminder would be wrong by the time it is read.
    if rule.side_of(reading.value) is not state.open:
        return False
    return state.quiet_until is None or now >= state.quiet_until
