"""Whether a kit is there: judged from facts, against what the kit itself is set up to report. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class PresenceState(StrEnum):
    """What is said of a kit."""

    ONLINE = "online"
    LATE = "late"
    OFFLINE = "offline"
    NEVER = "never"


DEFAULT_REPORTING_SECONDS = 1800.0
"""For kits that have nothing to measure: then only commands and starts are heard of them."""

ALIVE = timedelta(seconds=30)
"""After this without a sign nobody of us listens any more; a shorter pause counts as none."""

_RECONNECT = timedelta(seconds=130)
"""After an outage of ours, the last kits come back after this long (kit-mqtt 1.1: 128 s)."""

_NO_TIME = timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a kit. `is_connected` is None where nobody sees connections.

    `reporting_seconds` is the least measurement interval of its configuration, None if it measures nothing.
    `silent_after_seconds` is what a person set for a board.
    """

    last_contact_at: datetime | None = None
    is_connected: bool | None = None
    connection_changed_at: datetime | None = None
    reporting_seconds: float | None = None
    silent_after_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """When we could hear kits: since when without a pause, until when, and until when before that."""

    since: datetime
    until: datetime
    previous_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What is said of a kit, and since when it is so, as far as that is known."""

    state: PresenceState
    since: datetime | None
    last_contact_at: datetime | None


def judge(facts: Facts, listening: Listening | None, now: datetime) -> Judgement:
    """Judge a kit. Without `listening` we are taken to have listened all the time."""
    contact = facts.last_contact_at
    connected = _connected(facts, listening, now)
    if contact is None:
        state = PresenceState.ONLINE if connected else PresenceState.NEVER
        return Judgement(
            state=state, since=facts.connection_changed_at if connected else None, last_contact_at=None
        )
    if connected is False:
        return Judgement(
            state=PresenceState.OFFLINE, since=facts.connection_changed_at, last_contact_at=contact
        )
    late_after, offline_after = _patience(facts)
    silence = _silence(contact, listening, now)
    if silence < late_after or (connected and facts.reporting_seconds is None):
        since = facts.connection_changed_at if connected else None
        return Judgement(state=PresenceState.ONLINE, since=since, last_contact_at=contact)
    if silence < offline_after or connected:
        return Judgement(state=PresenceState.LATE, since=contact + late_after, last_contact_at=contact)
    return Judgement(state=PresenceState.OFFLINE, since=contact, last_contact_at=contact)


def _connected(facts: Facts, listening: Listening | None, now: datetime) -> bool | None:
    changed_at, contact = facts.connection_changed_at, facts.last_contact_at
    if facts.is_connected is None or changed_at is None:
        return None
    if facts.is_connected:
        # Nobody would have noted its end while nobody was there.
        return None if listening is not None and now - listening.until > ALIVE else True
    # Heard since: it is connected somewhere that does not tell us.
    return None if contact is not None and contact > changed_at else False


def _patience(facts: Facts) -> tuple[timedelta, timedelta]:
    """Return after which silence a kit is late, and after which it is offline."""
    if facts.silent_after_seconds is not None:
        return timedelta(seconds=facts.silent_after_seconds / 2), timedelta(seconds=facts.silent_after_seconds)
    interval = facts.reporting_seconds or DEFAULT_REPORTING_SECONDS
    # One reading may be lost (QoS 0), and reconnecting takes its time.
    return timedelta(seconds=2 * interval + 30), timedelta(seconds=4 * interval + 60)


def _silence(contact: datetime, listening: Listening | None, now: datetime) -> timedelta:
    """Return for how long a kit was silent while we listened."""
    if listening is None:
        return now - contact
    heard_until = now if now - listening.until <= ALIVE else listening.until
    if contact >= listening.since:
        return max(_NO_TIME, heard_until - contact)
    before = listening.previous_until - contact if listening.previous_until is not None else _NO_TIME
    # Kits need their time to find us again after an outage.
    return max(_NO_TIME, before) + max(_NO_TIME, heard_until - (listening.since + _RECONNECT))
