"""What Hortus sees of a new kit: ticks from registration to first reading, and what is in the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum

from hortus.base.language.translation import gettext
from hortus.domain.presence.judgement import PresenceState
from hortus.domain.series.listing import ListedSeries
from hortus.flow.diagnosis.facts import ConnectionFacts
from hortus.flow.diagnosis.findings import Trouble, findings
from hortus.http.pages.kits.trouble_words import ShownTrouble, shown_trouble
from hortus.http.pages.times import duration

PATIENCE = timedelta(minutes=2)
"""After this time without news, the usual causes are shown."""

# What nobody has to be told while the kit has had no time yet.
_TO_BE_EXPECTED = frozenset({Trouble.NEVER_CONNECTED, Trouble.SENSOR_NEVER, Trouble.OLD_CONFIGURATION})


class StepState(StrEnum):
    """Whether a step was made."""

    DONE = "done"
    NEXT = "next"
    """The one that is awaited."""
    LATER = "later"
    UNSEEN = "unseen"
    """It cannot be seen here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One tick, with its time if it was made. `note` says who, or what is awaited."""

    key: str
    name: str
    state: StepState
    at: datetime | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstSteps:
    """All ticks. `reading` is the first value to show, once there is one; `checks` are the usual causes."""

    steps: Sequence[Step]
    troubles: Sequence[ShownTrouble]
    checks: Sequence[str]
    reading: ListedSeries | None
    now: datetime

    @property
    def is_done(self) -> bool:
        """Whether the first reading is here."""
        return self.steps[-1].state is StepState.DONE


def first_steps(
    facts: ConnectionFacts, zone: tzinfo, now: datetime, *, with_addresses: bool, sees_log_ins: bool
) -> FirstSteps:
    """Return the ticks of a kit. Addresses are only for those who set it up.

    `sees_log_ins`: kits connect to this process, so one that has not logged in here has not at all.
    """
    steps = (
        _of_board(facts)
        if facts.is_board
        else _of_kit(facts, with_addresses=with_addresses, is_seen=sees_log_ins or facts.is_observed)
    )
    is_done = steps[-1].state is StepState.DONE
    found = findings(facts, now)
    if not is_done:
        found = [each for each in found if each.trouble not in _TO_BE_EXPECTED]
    newest = max((step.at for step in steps if step.at), default=facts.created_at)
    latest = [each for each in facts.series if each.last_at is not None]
    return FirstSteps(
        steps=steps,
        troubles=[shown_trouble(each, zone, now) for each in found],
        checks=_checks(facts) if not is_done and now - newest > PATIENCE else (),
        reading=latest[0] if latest else None,
        now=now,
    )


def _of_kit(facts: ConnectionFacts, *, with_addresses: bool, is_seen: bool) -> list[Step]:
    fetched_at = facts.configuration.fetched_at if facts.configuration else None
    name = facts.configuration_name
    made = [
        ("registered", gettext("Kit registered"), facts.created_at, ""),
        ("logged-in", gettext("Logged in"), _logged_in_at(facts), _log_in_note(facts, with_addresses, is_seen)),
        (
            "fetched",
            gettext("Fetched configuration “%(name)s”", name=name)
            if name
            else gettext("Fetched configuration"),
            fetched_at,
            "",
        ),
        ("first-reading", gettext("First reading"), facts.first_reading_at, _expectation(facts)),
    ]
    return _in_order(made, unseen=frozenset() if is_seen else frozenset({"logged-in"}))


def _of_board(facts: ConnectionFacts) -> list[Step]:
    made = [
        ("registered", gettext("Board registered"), facts.created_at, ""),
        (
            "first-reading",
            gettext("First reading"),
            facts.first_reading_at,
            gettext("Boards send every few seconds or minutes, as they are set."),
        ),
    ]
    return _in_order(made, unseen=frozenset())


def _in_order(made: Sequence[tuple[str, str, datetime | None, str]], unseen: frozenset[str]) -> list[Step]:
    steps: list[Step] = []
    for key, name, at, note in made:
        if at is not None:
            state = StepState.DONE
        elif key in unseen:
            state = StepState.UNSEEN
        elif all(step.state in {StepState.DONE, StepState.UNSEEN} for step in steps):
            state = StepState.NEXT
        else:
            state = StepState.LATER
        shown_note = note if state in {StepState.NEXT, StepState.UNSEEN} or key == "logged-in" else ""
        steps.append(Step(key=key, name=name, state=state, at=at, note=shown_note))
    return steps


def _logged_in_at(facts: ConnectionFacts) -> datetime | None:
    if facts.log_ins.logged_in_at is not None:
        return facts.log_ins.logged_in_at
    is_online = facts.presence.state is not PresenceState.NEVER
    return facts.connection_changed_at if facts.is_connected and is_online else None


def _log_in_note(facts: ConnectionFacts, with_addresses: bool, is_seen: bool) -> str:
    if not is_seen and facts.first_reading_at is None:
        return gettext("Cannot be seen here if kits use another broker: there, only traffic counts.")
    if facts.log_ins.logged_in_from and with_addresses:
        return gettext("from %(address)s", address=facts.log_ins.logged_in_from)
    return ""


def _expectation(facts: ConnectionFacts) -> str:
    intervals = [each.interval_seconds for each in facts.series]
    if not intervals:
        return ""
    return gettext("Every %(interval)s, and at once after the start.", interval=duration(min(intervals)))


def _checks(facts: ConnectionFacts) -> Sequence[str]:
    """Return the usual causes for a kit that gets no further, the most frequent first."""
    if facts.is_board:
        return (
            gettext("Is the board switched on, and in the same network as Hortus?"),
            gettext("Does it send to the address that is shown above, with the number that is shown?"),
            gettext("Does a firewall on this machine let its port through?"),
        )
    if _logged_in_at(facts) is None:
        return (
            gettext("Is the kit switched on, and does it have a network?"),
            gettext("Are server and port on the kit those that are shown above?"),
            gettext("Are serial and password entered exactly, with capital and small letters as shown?"),
            gettext("Does a firewall on this machine let the port through?"),
        )
    return (
        gettext("Restart the kit: it asks for its configuration only when it starts."),
        gettext("Does it have an active configuration?"),
        gettext("Are the sensors connected as the configuration says?"),
    )
