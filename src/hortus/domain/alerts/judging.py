"""The rules by which readings open and close alerts. Pure: values in, values out, no clock.

    in range --out of range, for as long as `hold`--> open --back by `hysteresis`, for as long as `hold`--> over

A quantity of a plant has at most one open alert. Readings are judged in chronological order: a reading that is
not newer than the last judged one changes nothing, so late data never raises an alert about the past, and
`judge_all` gives the same result for any order of a batch. A reading that is older than LATE_AFTER when it is
judged is ignored, and so is one from the future, until its time has come.

The pause between messages begins when one was accepted for delivery (`message_accepted`), not when it was
due: an outage of the mail server must not cost half a day. Running the same code over stored readings shows
what a rule would have done.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

LATE_AFTER = timedelta(hours=1)
"""Readings that are older than this when they arrive are not judged."""

AGAIN_AFTER_GIVING_UP = timedelta(hours=1)
"""Delay before another message is requested after delivery was given up."""

SNOOZED_WITHOUT_END = datetime.max.replace(tzinfo=UTC)
"""The end of a snooze that lasts until a user ends it."""

AGAIN_IF_NOBODY_REACHED = timedelta(minutes=10)
"""Delay before looking for recipients again when there were none."""


class Side(StrEnum):
    """The side on which a quantity is out of its range."""

    LOW = "low"
    HIGH = "high"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRule:
    """The target range of a quantity, both bounds included (None: no bound), and when to alert.

    `hysteresis` is how far inside its bounds a value must be to count as back, in the quantity's unit. `hold`
    is how long it must stay out, or back, before that counts. `pause` is the time between two messages about
    one quantity.
    """

    minimum: float | None = None
    maximum: float | None = None
    hysteresis: float = 0.0
    hold: timedelta = timedelta()
    pause: timedelta = timedelta(hours=12)

    def side_of(self, value: float) -> Side | None:
        """Return the side on which a value is out of range, or None if it is in range."""
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
        """The hysteresis, limited so that some value can still count as back."""
        if self.minimum is None or self.maximum is None:
            return self.hysteresis
        return min(self.hysteresis, max(0.0, (self.maximum - self.minimum) / 2))


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedReading:
    """A measured value with its time."""

    at: datetime
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertState:
    """The state of one quantity of one plant after the readings so far.

    `out` is the side of a run of out-of-range readings that is not an open alert (yet), `out_since` the time of
    its first reading; `open` is the side of the open alert, `back_since` the time of the first of a run of
    readings that are back. `message_waiting`: a message was requested and is neither accepted nor given up;
    `quiet_until`: no message is requested before this. `seen`: a user has seen the open alert and needs no
    reminder. `snoozed_until`: nor is anybody reminded before this; SNOOZED_WITHOUT_END until a user ends it.
    """

    judged_until: datetime | None = None
    out: Side | None = None
    out_since: datetime | None = None
    open: Side | None = None
    back_since: datetime | None = None
    seen: bool = False
    message_waiting: bool = False
    quiet_until: datetime | None = None
    snoozed_until: datetime | None = None


class EventKind(StrEnum):
    """A change of an alert."""

    OPENED = "opened"
    MESSAGE_DUE = "message-due"
    OVER = "over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A change to act on. `since` is the start of the run of readings that led to it."""

    kind: EventKind
    side: Side
    reading: JudgedReading
    since: datetime


def judge(
    state: AlertState, rule: AlertRule, reading: JudgedReading, now: datetime
) -> tuple[AlertState, tuple[Event, ...]]:
    """Return the state after one more reading, and the resulting events, in order.

    `now` decides whether the reading is too old or from the future, and whether the pause is over.
    """
    if state.judged_until is not None and reading.at <= state.judged_until <= now:
        return state, ()
    if reading.at > now or now - reading.at > LATE_AFTER:
        return state, ()
    events: list[Event] = []
    state = _follow_run(replace(state, judged_until=reading.at), rule, reading)
    if state.open is not None and state.back_since is not None and reading.at - state.back_since >= rule.hold:
        events.append(Event(kind=EventKind.OVER, side=state.open, reading=reading, since=state.back_since))
        state = replace(state, open=None, back_since=None)
    if (
        state.open is None
        and state.out is not None
        and state.out_since is not None
        and reading.at - state.out_since >= rule.hold
    ):
        events.append(Event(kind=EventKind.OPENED, side=state.out, reading=reading, since=state.out_since))
        # What a user did with the alert before it says nothing about this one.
        state = replace(state, open=state.out, out=None, out_since=None, seen=False, snoozed_until=None)
    if _message_is_due(state, rule, reading, now):
        assert state.open is not None, "a message is about an open alert"
        events.append(Event(kind=EventKind.MESSAGE_DUE, side=state.open, reading=reading, since=reading.at))
        state = replace(state, message_waiting=True)
    return state, tuple(events)


def judge_all(
    state: AlertState, rule: AlertRule, readings: Iterable[JudgedReading], now: datetime
) -> tuple[AlertState, tuple[Event, ...]]:
    """Judge readings in chronological order, in whatever order they are given."""
    events: list[Event] = []
    for reading in sorted(readings, key=lambda each: (each.at, each.value)):
        state, more = judge(state, rule, reading, now)
        events += more
    return state, tuple(events)


def message_accepted(state: AlertState, rule: AlertRule, at: datetime) -> AlertState:
    """Return the state after a message was accepted for delivery, which starts the pause."""
    return replace(state, message_waiting=False, quiet_until=at + rule.pause)


def message_given_up(state: AlertState, at: datetime) -> AlertState:
    """Return the state after no message could be delivered."""
    return replace(state, message_waiting=False, quiet_until=at + AGAIN_AFTER_GIVING_UP)


def nobody_reached(state: AlertState, at: datetime) -> AlertState:
    """Return the state after a message had no recipients."""
    return replace(state, message_waiting=False, quiet_until=at + AGAIN_IF_NOBODY_REACHED)


def _follow_run(state: AlertState, rule: AlertRule, reading: JudgedReading) -> AlertState:
    """Start, continue or end the runs of readings that are out of range or back."""
    side = rule.side_of(reading.value)
    back_since = None
    if state.open is not None and rule.is_back(state.open, reading.value):
        back_since = state.back_since or reading.at
    if side is None or side is state.open:
        return replace(state, out=None, out_since=None, back_since=back_since)
    out_since = state.out_since if side is state.out else reading.at
    return replace(state, out=side, out_since=out_since, back_since=back_since)


def _message_is_due(state: AlertState, rule: AlertRule, reading: JudgedReading, now: datetime) -> bool:
    if state.open is None or state.seen or state.message_waiting:
        return False
    if state.snoozed_until is not None and now < state.snoozed_until:
        return False
    # While the value is on its way back, a reminder would be wrong by the time it is read.
    if rule.side_of(reading.value) is not state.open:
        return False
    return state.quiet_until is None or now >= state.quiet_until
