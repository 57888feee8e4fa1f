"""The sign and the colour of each state. Pure."""

from __future__ import annotations

from hortus.domain.events.event import EventKind
from hortus.domain.plants.state import Condition
from hortus.domain.presence.judgement import PresenceState

SIGN_COLOURS = {
    "good": "good",
    "low": "bad",
    "high": "bad",
    "attention": "bad",
    "late": "warn",
    "clock": "warn",
    "offline": "warn",
    "unknown": "calm",
    "none": "calm",
    "waiting": "info",
    "failed": "bad",
    "paused": "calm",
    "draft": "info",
    "command": "calm",
    "configuration": "calm",
}
"""All signs of `_components.html` by name, with the class of their colour."""

_OF_CONDITION = {
    Condition.OK: "good",
    Condition.LOW: "low",
    Condition.HIGH: "high",
    Condition.NO_DATA: "unknown",
    None: "none",
}
_OF_PRESENCE = {
    PresenceState.ONLINE: "good",
    PresenceState.LATE: "late",
    PresenceState.OFFLINE: "offline",
    PresenceState.NEVER: "unknown",
}

EVENT_SIGNS = {
    EventKind.ALERTS: "attention",
    EventKind.COMMANDS: "command",
    EventKind.CONFIGURATIONS: "configuration",
    EventKind.PRESENCE: "offline",
    EventKind.OUTAGES: "paused",
}
"""The sign of each kind of events."""


def condition_sign(condition: Condition | None) -> str:
    """Return the sign of a quantity; None means that it is not judged."""
    return _OF_CONDITION[condition]


def presence_sign(state: PresenceState) -> str:
    """Return the sign of a kit's presence."""
    return _OF_PRESENCE[state]
