"""The endpoint for what happened at a kit."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

import orjson
from fastapi import APIRouter, Query
from typing_extensions import TypedDict

from hortus.base.times import format_time
from hortus.domain.events.reader import EventPlace, read_events
from hortus.http.access.caller import CurrentCaller
from hortus.http.access.kit_access import access_to_kit
from hortus.http.access.permissions import Permission
from hortus.http.access.services import UsedServices
from hortus.http.api.kits import KitSerial
from hortus.http.conventions.documentation import HIDDEN, next_page, problems
from hortus.http.conventions.paging import next_link
from hortus.http.conventions.parameters import TimeInQuery, parse_time
from hortus.http.conventions.problems import bad_request
from hortus.http.conventions.replies import JsonReply, TimeText
from hortus.http.documents.events import KitEvent, event_object, kinds_in, looker_at

router = APIRouter(tags=["Events"])

PAGE_SIZE = 100
MOST_DAYS = 1100
_USUAL = timedelta(days=7)
_LONGEST_CURSOR = 200

_Span = TypedDict("_Span", {"from": TimeText, "to": TimeText})


class KitEvents(_Span):
    """Events that overlap the time from `from` (inclusive) to `to` (exclusive), newest first.

    `total` counts those on all pages, up to 10,000.
    """

    total: int
    events: list[KitEvent]


@router.get(
    "/kits/{kitSerial}/events",
    responses=HIDDEN
    | problems(403)
    | next_page("Link", '</kits/k-3467-bcdf-ghjk/events?from=2026-11-01T00%3A00%3A00Z&before=…>; rel="next"'),
    summary="List what happened at a kit",
)
async def show_events(
    services: UsedServices,
    caller: CurrentCaller,
    serial: KitSerial,
    start: Annotated[TimeInQuery, Query(alias="from")] = None,
    end: Annotated[TimeInQuery, Query(alias="to")] = None,
    kinds: Annotated[
        str | None,
        Query(max_length=100, description="Kinds to list, such as `alerts,commands`; all if absent."),
    ] = None,
    before: Annotated[str | None, Query(max_length=_LONGEST_CURSOR)] = None,
) -> JsonReply[KitEvents]:
    """Alerts, commands, configurations, silences of the kit and outages of this server. 100 per page.

    Without `from`, the 7 days before `to`; without `to`, until now. Commands are listed for those who may
    configure the kit; alerts about plants, for those who may see the plant.
    """
    until = services.clock() if end is None else end
    since = until - _USUAL if start is None else start
    _require_span(since, until)
    wanted = kinds_in(kinds)
    place = _place(before)
    async with services.reading() as connection:
        access = await access_to_kit(connection, caller, serial)
        access.require(Permission.VIEW)
        found = await read_events(
            *(connection, looker_at(access), since, until), kinds=wanted, before=place, most=PAGE_SIZE
        )
    headers = {}
    if found.has_more:
        last = found.events[-1]
        cursor = orjson.dumps([format_time(last.start), last.key]).decode()
        parameters = {"from": since, "to": until, "kinds": kinds, "before": cursor}
        headers = next_link(f"/kits/{access.kit['serial']}/events", parameters)
    return JsonReply(
        {
            "from": format_time(since),
            "to": format_time(until),
            "total": found.total,
            "events": [event_object(event) for event in found.events],
        },
        headers=headers,
    )


def _require_span(since: datetime, until: datetime) -> None:
    if since > until:
        raise bad_request("from is later than to.")
    if until - since > timedelta(days=MOST_DAYS):
        raise bad_request(f"The range is longer than {MOST_DAYS} days; request it in parts.")


def _place(text: str | None) -> EventPlace | None:
    if text is None:
        return None
    try:
        at, key = orjson.loads(text)
        if not isinstance(key, str):
            raise TypeError
        return EventPlace(start=parse_time(at), key=key)
    except (ValueError, TypeError) as error:
        raise bad_request("The cursor is not valid. Follow the Link of the previous page.") from error
