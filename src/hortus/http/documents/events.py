"""JSON objects of events, and what somebody may see of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from hortus.base.times import format_optional_time, format_time
from hortus.domain.events.event import Event, EventKind, Looker
from hortus.http.access.kit_access import KitAccess
from hortus.http.access.permissions import Permission
from hortus.http.conventions.problems import bad_request
from hortus.http.conventions.replies import TimeText


class KitEvent(TypedDict):
    """Something that happened at a kit.

    `end` is the start for what took no time, and null for what still lasts. `what` is the sort of event within
    its kind. `page` is the path of the web page about it, below the address of this server.
    """

    id: str
    kind: Literal["alerts", "commands", "configurations", "presence", "outages"]
    what: Annotated[
        str,
        Field(
            description="alerts: `low`, `high`, `silent` · commands: `waiting`, `sent`, `succeeded`, `failed`, "
            "`cancelled` · configurations: `activated`, `fetched`, `running`, `deleted` · presence: `late`, "
            "`silent` · outages: `outage`. New ones may be added."
        ),
    ]
    start: TimeText
    end: TimeText | None
    title: str
    page: str | None


def event_object(event: Event) -> KitEvent:
    """Return the JSON object."""
    return {
        "id": event.key,
        "kind": event.kind.value,
        "what": event.what,
        "start": format_time(event.start),
        "end": format_optional_time(event.end),
        "title": event.title,
        "page": event.path or None,
    }


def looker_at(access: KitAccess) -> Looker:
    """Return who looks at the events of this kit."""
    return Looker(
        kit_id=access.kit_id,
        serial=access.kit["serial"],
        user_id=access.caller.user_id,
        is_admin=bool(access.kit["is_admin"]),
        sees_commands=Permission.EDIT_CONFIGURATION in access.permissions,
    )


def kinds_in(text: str | None) -> frozenset[EventKind] | None:
    """Return the kinds in a text such as `alerts,commands`, or None for all. Raises Problem 400."""
    if text is None:
        return None
    try:
        return frozenset(EventKind(each) for each in text.split(",") if each)
    except ValueError as error:
        raise bad_request(f"kinds may name {', '.join(EventKind)}.") from error
