"""What follows from the facts: the troubles of a kit, in the order of its way here. Pure.

    account -> log-in -> configuration -> messages -> clock -> sensors

The first trouble is the one to mend: those behind it may be its consequences.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from hortus.domain.mqtt_accounts.log_ins import OTHER_SPELLING
from hortus.domain.presence.judgement import PresenceState
from hortus.domain.series.freshness import Freshness
from hortus.flow.diagnosis.facts import ConnectionFacts
from hortus.protocol.mqtt.endpoint.log_ins import Refusal
from hortus.protocol.reasons import Reason

CLOCK_TOLERANCE = timedelta(seconds=10)
"""A clock that is off by less is right enough: networks delay readings by seconds."""

_RECENT = timedelta(hours=1)


class Trouble(StrEnum):
    """What is wrong, by name."""

    WRONG_PASSWORD = "wrong-password"  # noqa: S105  (a trouble, not a password)
    OTHER_SPELLING = "other-spelling"
    NO_CLIENT_ID = "no-client-id"
    UNSUPPORTED_AUTHENTICATION = "unsupported-authentication"
    PROTOCOL_ERROR = "protocol-error"
    NOT_CHECKED = "not-checked"
    NEVER_CONNECTED = "never-connected"
    DISCONNECTED = "disconnected"
    SHARED_ACCOUNT = "shared-account"
    NO_CONFIGURATION = "no-configuration"
    FAULTY_CONFIGURATION = "faulty-configuration"
    OLD_CONFIGURATION = "old-configuration"
    WRONG_TOPIC = "wrong-topic"
    CLOCK_IN_FUTURE = "clock-in-future"
    CLOCK_IN_PAST = "clock-in-past"
    UNKNOWN_PERIPHERAL = "unknown-peripheral"
    UNREADABLE = "unreadable"
    SILENT = "silent"
    CLOCK_AHEAD = "clock-ahead"
    CLOCK_BEHIND = "clock-behind"
    SENSOR_SILENT = "sensor-silent"
    SENSOR_NEVER = "sensor-never"
    SENSOR_IMPLAUSIBLE = "sensor-implausible"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A trouble, since or at when, and what it is about: a topic, an address, a sensor, a sentence."""

    trouble: Trouble
    at: datetime | None = None
    subject: str = ""
    times: int = 0
    length: timedelta | None = None


_BY_REFUSAL: dict[str, Trouble] = {
    Refusal.WRONG_PASSWORD: Trouble.WRONG_PASSWORD,
    OTHER_SPELLING: Trouble.OTHER_SPELLING,
    Refusal.NO_CLIENT_ID: Trouble.NO_CLIENT_ID,
    Refusal.UNSUPPORTED_AUTHENTICATION: Trouble.UNSUPPORTED_AUTHENTICATION,
    Refusal.PROTOCOL_ERROR: Trouble.PROTOCOL_ERROR,
    Refusal.NOT_CHECKED: Trouble.NOT_CHECKED,
}

_BY_REASON: dict[str, Trouble] = {
    Reason.TIME_IN_FUTURE: Trouble.CLOCK_IN_FUTURE,
    Reason.TIME_TOO_OLD: Trouble.CLOCK_IN_PAST,
    Reason.TIME_OUT_OF_RANGE: Trouble.CLOCK_IN_FUTURE,
    Reason.TOO_MANY_MONTHS: Trouble.CLOCK_IN_PAST,
    Reason.UNKNOWN_PERIPHERAL: Trouble.UNKNOWN_PERIPHERAL,
    Reason.FOREIGN_PERIPHERAL: Trouble.UNKNOWN_PERIPHERAL,
    Reason.DELETED_CONFIGURATION: Trouble.OLD_CONFIGURATION,
    Reason.TOPIC_OUTSIDE_CONTRACT: Trouble.WRONG_TOPIC,
    Reason.TOPIC_NOT_ALLOWED: Trouble.WRONG_TOPIC,
}

# Reasons that are ours to mend, not the kit's.
_OURS: set[str] = {
    Reason.MEDIA_STORAGE_PENDING,
    Reason.REFUSED_BY_DATABASE,
    Reason.DATABASE_DAMAGED,
    Reason.QUARANTINE_FULL,
}


def findings(facts: ConnectionFacts, now: datetime) -> Sequence[Finding]:
    """Return the troubles of a kit, the first to mend first; each at most once, but for sensors."""
    found = [
        *_of_log_in(facts),
        *_of_configuration(facts),
        *_of_messages(facts, now),
        *_of_clock(facts),
        *_of_sensors(facts, now),
    ]
    seen: set[tuple[Trouble, str]] = set()
    return [
        each
        for each in found
        if (key := (each.trouble, each.subject if each.trouble.startswith("sensor") else "")) not in seen
        and not seen.add(key)  # type: ignore[func-returns-value]
    ]


def _of_log_in(facts: ConnectionFacts) -> list[Finding]:
    log_ins = facts.log_ins
    found = []
    if log_ins.is_refused and not (facts.is_connected and _is_protocol_error(facts)):
        trouble = _BY_REFUSAL.get(log_ins.refused_reason or "", Trouble.PROTOCOL_ERROR)
        subject = log_ins.refused_name or log_ins.refused_from or ""
        found.append(
            Finding(trouble=trouble, at=log_ins.refused_at, subject=subject, times=log_ins.refused_times)
        )
    elif facts.presence.state is PresenceState.NEVER:
        found.append(Finding(trouble=Trouble.NEVER_CONNECTED, at=facts.created_at))
    elif facts.presence.state is PresenceState.OFFLINE:
        trouble = Trouble.DISCONNECTED if facts.is_connected is False else Trouble.SILENT
        at = facts.presence.since or facts.presence.last_contact_at
        found.append(Finding(trouble=trouble, at=at))
    if facts.is_shared:
        found.append(Finding(trouble=Trouble.SHARED_ACCOUNT))
    return found


def _is_protocol_error(facts: ConnectionFacts) -> bool:
    """Whether the last refusal cut off one connection, beside which another one is open."""
    return facts.log_ins.refused_reason == Refusal.PROTOCOL_ERROR


def _of_configuration(facts: ConnectionFacts) -> list[Finding]:
    state = facts.configuration
    if state is None:
        return []
    if state.active_id is None:
        return [Finding(trouble=Trouble.NO_CONFIGURATION)]
    if state.faults:
        return [Finding(trouble=Trouble.FAULTY_CONFIGURATION, subject=state.faults[0])]
    if state.runs_nothing or (state.running_id is not None and not state.is_current):
        return [Finding(trouble=Trouble.OLD_CONFIGURATION, at=state.fetched_at)]
    return []


def _of_messages(facts: ConnectionFacts, now: datetime) -> list[Finding]:
    found = []
    topic_at = facts.log_ins.topic_refused_at
    if topic_at is not None and now - topic_at < _RECENT:
        subject = facts.log_ins.topic_refused or ""
        found.append(Finding(trouble=Trouble.WRONG_TOPIC, at=topic_at, subject=subject))
    newest_reading = max((each.last_at for each in facts.series if each.last_at), default=None)
    for each in facts.set_aside:
        if each.reason in _OURS or (newest_reading is not None and newest_reading > each.last_at):
            continue  # what came after it was stored, so it is over
        trouble = _BY_REASON.get(each.reason, Trouble.UNREADABLE)
        found.append(Finding(trouble=trouble, at=each.last_at, subject=each.reason, times=each.messages))
    return found


def _of_clock(facts: ConnectionFacts) -> list[Finding]:
    clock = facts.clock
    if clock is None or abs(clock.ahead) <= CLOCK_TOLERANCE:
        return []
    trouble = Trouble.CLOCK_AHEAD if clock.ahead > timedelta() else Trouble.CLOCK_BEHIND
    return [Finding(trouble=trouble, length=abs(clock.ahead))]


def _of_sensors(facts: ConnectionFacts, now: datetime) -> list[Finding]:
    """Return what is wrong with single sensors, if the kit itself is heard: else all of them are silent."""
    if facts.presence.state not in {PresenceState.ONLINE, PresenceState.LATE} or facts.first_reading_at is None:
        return []
    found: dict[str, Finding] = {}
    for each in facts.series:
        freshness = each.freshness(now)
        name = each.peripheral_name
        if each.implausible is not None:
            found[name] = Finding(trouble=Trouble.SENSOR_IMPLAUSIBLE, subject=name, at=each.implausible.at)
        elif freshness is Freshness.STALE:
            found.setdefault(name, Finding(trouble=Trouble.SENSOR_SILENT, subject=name, at=each.last_at))
        elif freshness is Freshness.NEVER and _had_time(facts, each.interval_seconds, now):
            found.setdefault(name, Finding(trouble=Trouble.SENSOR_NEVER, subject=name))
    # A sensor that sent before tells more than one that never did.
    return sorted(found.values(), key=lambda each: each.trouble is Trouble.SENSOR_NEVER)


def _had_time(facts: ConnectionFacts, interval_seconds: float, now: datetime) -> bool:
    """Return whether a sensor has had the time to measure since the kit got its configuration."""
    fetched_at = facts.configuration.fetched_at if facts.configuration else None
    since = fetched_at or facts.first_reading_at or facts.created_at
    return (now - since).total_seconds() > 2 * interval_seconds + 60
