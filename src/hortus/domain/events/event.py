"""What an event is. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class EventKind(StrEnum):
    """The kinds of events, as they stand in addresses."""

    ALERTS = "alerts"
    COMMANDS = "commands"
    CONFIGURATIONS = "configurations"
    PRESENCE = "presence"
    OUTAGES = "outages"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened at a kit. `key` is unique; `what` is its sort within its kind.

    `end` is the start for what took no time, and None for what still lasts. `path` is that of the page about
    it, empty if there is none. `title` is a sentence or a name, in the language of the request.
    """

    key: str
    kind: EventKind
    what: str
    start: datetime
    end: datetime | None
    title: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Looker:
    """Who looks at the events of a kit, and what of it they may see.

    They may see the kit. `sees_commands`: also the list of commands, with who sent them.
    """

    kit_id: int
    serial: str
    user_id: int | None
    is_admin: bool
    sees_commands: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the events of a kind come from.

    `statement` selects `key`, `what`, `start_at`, `end_at` and `facts` (JSON) of those that overlap the time
    from `:start` to `:end`. Its parameters are those and the fields of the looker. `title` and `path` are made
    of what, facts, and for paths the serial.
    """

    kind: EventKind
    statement: str
    title: Callable[[str, Mapping[str, Any]], str]
    path: Callable[[str, Mapping[str, Any], str], str]
    is_seen_by: Callable[[Looker], bool] = lambda _looker: True
