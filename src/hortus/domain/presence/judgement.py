"""Judging whether a kit is online, by facts and by how often it is configured to report. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class PresenceState(StrEnum):
    """The presence of a kit."""

    ONLINE = "online"
    LATE = "late"
    OFFLINE = "offline"
    NEVER = "never"


DEFAULT_REPORTING_SECONDS = 1800.0
"""For kits that measure nothing: they are only heard when they start or answer commands."""

ALIVE = timedelta(seconds=30)
"""Without a heartbeat for this long, none of our processes counts as listening; shorter gaps are ignored."""

_RECONNECT = timedelta(seconds=130)
"""How long the last kits take to reconnect after an outage of ours (kit-mqtt 1.1: 128 s)."""

_NO_TIME = timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The recorded facts about a kit. `is_connected` is None where connections cannot be observed.

    `reporting_seconds` is the shortest measurement interval of its configuration, None if it measures nothing.
    `silent_after_seconds` is the limit set for a board.
    """

    last_contact_at: datetime | None = None
    is_connected: bool | None = None
    connection_changed_at: datetime | None = None
    reporting_seconds: float | None = None
    silent_after_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """When we could hear kits: the current period without a gap, and the end of the previous one."""

    since: datetime
    until: datetime
    previous_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The presence of a kit, and since when, if known."""

    state: PresenceState
    since: datetime | None
    last_contact_at: datetime | None


def judge(facts: Facts, listening: Listening | None, now: datetime) -> Judgement:
    """Judge the presence of a kit. Without `listening`, we are assumed to have listened all the time."""
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
        # While no process was listening, its disconnection would not have been recorded.
        return None if listening is not None and now - listening.until > ALIVE else True
    # Heard since it disconnected: it is connected somewhere that does not report connections.
    return None if contact is not None and contact > changed_at else False


def _patience(facts: Facts) -> tuple[timedelta, timedelta]:
    """Return how long a kit must be silent to count as late, and as offline."""
    if facts.silent_after_seconds is not None:
        return timedelta(seconds=facts.silent_after_seconds / 2), timedelta(seconds=facts.silent_after_seconds)
    interval = facts.reporting_seconds or DEFAULT_REPORTING_SECONDS
    # One reading may be lost (QoS 0), and reconnecting takes time.
    return timedelta(seconds=2 * interval + 30), timedelta(seconds=4 * interval + 60)


def _silence(contact: datetime, listening: Listening | None, now: datetime) -> timedelta:
    """Return how long a kit was silent while we were listening."""
    if listening is None:
        return now - contact
    heard_until = now if now - listening.until <= ALIVE else listening.until
    if contact >= listening.since:
        return max(_NO_TIME, heard_until - contact)
    before = listening.previous_until - contact if listening.previous_until is not None else _NO_TIME
    # Kits need time to reconnect after an outage.
    return max(_NO_TIME, before) + max(_NO_TIME, heard_until - (listening.since + _RECONNECT))
