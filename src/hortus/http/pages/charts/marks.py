"""Marks: what happened, in a lane under the charts, and why there are gaps. `/kits/{serial}/events.json`."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.base.language.translation import current_language, gettext, gettext_noop
from hortus.domain.events.event import Event, EventKind
from hortus.domain.events.reader import Events, read_events
from hortus.domain.kits.absent_sensors import Absence, absent_sensors
from hortus.domain.series.charts import EPOCH, Span
from hortus.http.conventions.problems import Problem, bad_request
from hortus.http.documents.events import looker_at
from hortus.http.pages.charts.drawing import percent
from hortus.http.pages.charts.view import ChartView, marks_in
from hortus.http.pages.kits.frame import reading_kit
from hortus.http.pages.kits.opened import NoSuchKit, OpenedKit
from hortus.http.pages.moments import UnreadableMoment, moment_in
from hortus.http.pages.site import Site

MOST_MARKS = 500
MOST_DAYS = 8000
_LISTED = 100
_NEAR_PERCENT = 8.0
"""24 px on a phone: signs that are closer become one."""

KIND_NAMES = {
    EventKind.ALERTS: gettext_noop("Alerts"),
    EventKind.COMMANDS: gettext_noop("Commands"),
    EventKind.CONFIGURATIONS: gettext_noop("Configurations"),
    EventKind.PRESENCE: gettext_noop("Silences"),
    EventKind.OUTAGES: gettext_noop("Outages of Hortus"),
}

SILENT, OUTAGE, ABSENT = "silent", "outage", "absent"
CAUSES = {
    SILENT: gettext_noop("kit silent"),
    OUTAGE: gettext_noop("Hortus not listening"),
    ABSENT: gettext_noop("sensor not in the configuration"),
}

_PARAMETERS = frozenset({"from", "to", "kinds"})
_EXPLAINS_FROM = 0.5
"""The share of a gap that its cause covers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What happened within the range of a chart. `shown`: the kinds in the lane."""

    found: Events
    absences: Sequence[Absence]
    causes: Sequence[Event]
    kinds: Sequence[EventKind]
    shown: frozenset[EventKind]

    @property
    def listed(self) -> Sequence[Event]:
        """The newest events, for the list under the lane."""
        return self.found.events[:_LISTED]


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneSign:
    """A sign for one event or several, in percent of the lane's width. `kind` is None for several kinds."""

    left: float
    kind: EventKind | None
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneBar:
    """An event that took time, in percent of the lane's width."""

    left: float
    width: float
    kind: EventKind


async def read_marks(
    connection: AsyncConnection, kit: OpenedKit, span: Span, shown: Collection[EventKind] | None
) -> Marks:
    """Return what happened within a span; `shown` None: all kinds."""
    looker = looker_at(kit.access)
    causes = {EventKind.PRESENCE, EventKind.OUTAGES}
    found = await read_events(connection, looker, span.start, span.end, kinds=shown, most=MOST_MARKS)
    silences = await read_events(connection, looker, span.start, span.end, kinds=causes, most=MOST_MARKS)
    kinds = tuple(kind for kind in EventKind if kind is not EventKind.COMMANDS or looker.sees_commands)
    return Marks(
        found=found,
        absences=await absent_sensors(connection, kit.id, span.start, span.end),
        causes=silences.events,
        kinds=kinds,
        shown=frozenset(kinds if shown is None else set(kinds) & set(shown)),
    )


def signs_of(events: Iterable[Event], span: Span) -> list[LaneSign]:
    """Return the signs, the earliest first. Those that would touch become one with a number."""
    signs: list[LaneSign] = []
    first = 0.0
    for event in sorted(events, key=lambda each: each.start):
        left = percent(max(event.start, span.start), span)
        last = signs[-1] if signs else None
        if last is not None and left - first < _NEAR_PERCENT:
            kind = last.kind if last.kind is event.kind else None
            signs[-1] = LaneSign(left=last.left, kind=kind, count=last.count + 1)
        else:
            first = left
            signs.append(LaneSign(left=left, kind=event.kind, count=1))
    return signs


def bars_of(events: Iterable[Event], span: Span, now: datetime) -> list[LaneBar]:
    """Return the bars of events that took time or still last."""
    bars = []
    for event in events:
        end = event.end or now
        if end > event.start:
            left = percent(event.start, span)
            width = round(percent(end, span) - left, 2)
            bars.append(LaneBar(left=left, width=width, kind=event.kind))
    return bars


def cause_of(gap: Span, names: Collection[str], marks: Marks, now: datetime) -> str:
    """Return the key of what explains a gap of these sensors, or an empty text if it is not known."""
    for cause, kind in ((OUTAGE, EventKind.OUTAGES), (SILENT, EventKind.PRESENCE)):
        covered = [(each.start, each.end or now) for each in marks.causes if each.kind is kind]
        if _explains(gap, covered):
            return cause
    absences: dict[str, list[tuple[datetime, datetime]]] = {name: [] for name in names}
    for each in marks.absences:
        if each.name in absences:
            absences[each.name].append((each.since, each.until or now))
    is_absent = bool(absences) and all(_explains(gap, covered) for covered in absences.values())
    return ABSENT if is_absent else ""


def _explains(gap: Span, times: Iterable[tuple[datetime, datetime]]) -> bool:
    covered = sum(
        (max(timedelta(), min(gap.end, end) - max(gap.start, start)) for start, end in times), timedelta()
    )
    return covered >= (gap.end - gap.start) * _EXPLAINS_FROM


def toggled(view: ChartView, kind: EventKind, marks: Marks) -> ChartView:
    """Return the view with the marks of a kind shown or left out."""
    shown = marks.shown ^ {kind}
    return replace(view, marks=None if shown == set(marks.kinds) else shown)


class MarkPages:
    """`/kits/{serial}/events.json`: the marks, apart from the points."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        return [Route("/kits/{serial}/events.json", self.events, methods=["GET"])]

    async def events(self, request: Request) -> Response:
        """Answer with what happened, or 304 if the client has it."""
        try:
            return await self._events(request)
        except NoSuchKit as error:
            return Problem(404 if error.is_person else 401, detail=str(error)).response()
        except Problem as problem:
            return problem.response()

    async def _events(self, request: Request) -> Response:
        async with reading_kit(self._site, request) as (connection, kit):
            span, shown = _asked(request, kit)
            marks = await read_marks(connection, kit, span, shown)
        content = orjson.dumps(_document(marks))
        tag = f'W/"{hashlib.sha256(content).hexdigest()[:24]}"'
        headers = {
            "Cache-Control": "private, no-cache",
            "Vary": "Cookie, Accept-Language",
            "ETag": tag,
            "Content-Language": current_language().tag,
        }
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type="application/json")


def _asked(request: Request, kit: OpenedKit) -> tuple[Span, frozenset[EventKind] | None]:
    query = request.query_params
    if not set(query) <= _PARAMETERS:
        raise bad_request(gettext("The parameters are from, to and kinds."))
    try:
        start, end = moment_in(query.get("from", ""), kit.zone), moment_in(query.get("to", ""), kit.zone)
        shown = marks_in(query.get("kinds"))
    except HTTPException as error:
        raise bad_request(error.detail) from error
    except (UnreadableMoment, ValueError, OverflowError) as error:
        raise bad_request(gettext("Give from and to as times such as 2026-11-28T09:00Z.")) from error
    if not timedelta() < end - start <= timedelta(days=MOST_DAYS):
        raise bad_request(gettext("from must be before to, by at most %(days)s days.", days=MOST_DAYS))
    return Span(start, end), shown


def _document(marks: Marks) -> dict[str, Any]:
    return {
        "total": marks.found.total,
        "events": [_event(each) for each in marks.found.events],
        "causes": [
            {"cause": OUTAGE if each.kind is EventKind.OUTAGES else SILENT, **_times(each.start, each.end)}
            for each in marks.causes
        ],
        "absent": [{"name": each.name, **_times(each.since, each.until)} for each in marks.absences],
    }


def _event(event: Event) -> dict[str, Any]:
    times = _times(event.start, event.end)
    return {"id": event.key, "kind": event.kind, "title": event.title, "page": event.path, **times}


def _times(start: datetime, end: datetime | None) -> dict[str, float | None]:
    return {"from": _seconds(start), "to": None if end is None else _seconds(end)}


def _seconds(moment: datetime) -> float:
    return round((moment - EPOCH) / timedelta(seconds=1), 3)
