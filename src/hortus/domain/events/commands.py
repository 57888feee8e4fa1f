"""Commands as events: from when they were asked for until they ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hortus.base.language.translation import gettext, gettext_noop
from hortus.domain.events.event import EventKind, Source

# Commands are a part of `flow`, and their table is in the same database: it is only read here.
_STATEMENT = """
    SELECT 'command-' || c.id AS key, c.state AS what, c.requested_at AS start_at, c.finished_at AS end_at,
        json_build_object('method', c.method, 'peripheral', c.peripheral, 'command', left(c.command_json, 80))
            AS facts
    FROM kit_commands c
    WHERE c.kit_id = :kit_id AND c.requested_at < :end AND coalesce(c.finished_at, 'infinity') >= :start
"""

_OF_DEVICE = {
    "waiting": gettext_noop("%(device)s: command waiting"),
    "sent": gettext_noop("%(device)s: command sent"),
    "succeeded": gettext_noop("%(device)s: command done"),
    "failed": gettext_noop("%(device)s: command failed"),
    "cancelled": gettext_noop("%(device)s: command taken back"),
}
_OF_KIT = {
    "waiting": gettext_noop("Question to the kit: waiting"),
    "sent": gettext_noop("Question to the kit: sent"),
    "succeeded": gettext_noop("Question to the kit: answered"),
    "failed": gettext_noop("Question to the kit: failed"),
    "cancelled": gettext_noop("Question to the kit: taken back"),
}


def _title(what: str, facts: Mapping[str, Any]) -> str:
    if facts["peripheral"] is None:
        return gettext(_OF_KIT.get(what, _OF_KIT["sent"]))
    return gettext(_OF_DEVICE.get(what, _OF_DEVICE["sent"]), device=facts["peripheral"])


def _path(_what: str, _facts: Mapping[str, Any], _serial: str) -> str:
    return ""


COMMANDS = Source(
    kind=EventKind.COMMANDS,
    statement=_STATEMENT,
    title=_title,
    path=_path,
    is_seen_by=lambda looker: looker.sees_commands,
)
