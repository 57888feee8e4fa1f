"""What the pages of charts answer besides themselves: the points for the script, and files."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar
from zoneinfo import ZoneInfo

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from hortus.base.language.translation import current_language, gettext
from hortus.domain.series.catching_up import StillRollingUp
from hortus.http.access.viewer import Viewer
from hortus.http.conventions.media_delivery import disposition
from hortus.http.conventions.problems import Problem, bad_request, unavailable, unknown_parameters
from hortus.http.pages.charts.answer import document_of
from hortus.http.pages.charts.file import SheetStyle, csv_of
from hortus.http.pages.charts.store import ChartReader, NoSuchSeries, OutOfTime
from hortus.http.pages.charts.units import in_own_units
from hortus.http.pages.charts.view import ChartView
from hortus.http.pages.kits.opened import NoSuchKit
from hortus.http.pages.moments import address_text
from hortus.http.pages.site import Site
from hortus.http.server.answers import SharedAnswers
from hortus.http.server.database_access import DatabaseNotAnswering

# Open tabs ask for the same points at about the same time.
_KEEP_SECONDS = 1.0
_KEPT_ANSWERS = 50
RETRY_SECONDS = 5
_POINTS_PARAMETERS = ("from", "points", "series", "to", "tz", "vs")
_CACHING = {"Cache-Control": "private, no-cache", "Vary": "Cookie"}

_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which series of which kits are asked for, and the zone of the answer."""

    serials: tuple[str, ...]
    view: ChartView
    zone: ZoneInfo


class Delivery:
    """Answers with points and files, by the rules of the API."""

    def __init__(self, site: Site, reader: ChartReader) -> None:
        self._site = site
        self._reader = reader
        self._answers = SharedAnswers[tuple[bytes, str]](keep_seconds=_KEEP_SECONDS, capacity=_KEPT_ANSWERS)

    async def file(self, request: Request, viewer: Viewer, asked: Asked, name: str) -> Response:
        """Answer with what a page shows as CSV; `name` begins the name of the file.

        Raises HTTPException, NoSuchKit, StillRollingUp or DatabaseNotAnswering.
        """
        if not asked.view.series:
            raise HTTPException(400, gettext("s is missing: the numbers of the series, such as s=7,9."))
        style = request.query_params.get("sheet", "")
        if style not in {each.value for each in SheetStyle}:
            raise HTTPException(
                400, gettext("sheet=semicolon makes a file for programs that write numbers with a comma.")
            )
        try:
            drawing = await self._reader.drawing(viewer, asked.serials, asked.view, asked.zone)
        except NoSuchSeries as error:
            raise HTTPException(404, str(error)) from error
        except OutOfTime as error:
            raise HTTPException(400, str(error)) from error
        name = f"{name} {address_text(drawing.span.start)} {address_text(drawing.span.end)}.csv"
        headers = {"Content-Disposition": disposition(name.replace(":", ""))}
        content = csv_of(in_own_units(drawing), SheetStyle(style))
        return Response(content, headers=headers, media_type="text/csv; charset=utf-8")

    async def points(
        self, request: Request, asked: Callable[[Viewer], Awaitable[Asked]], what: str
    ) -> Response:
        """Answer with the points of several series, or 304 if the client has them.

        `asked` reads the request; `what` says how series are named, if there is none.
        """
        try:
            viewer = await _translated(lambda: self._site.viewer(request))
            wanted = await _translated(lambda: self._read(request, viewer, asked, what))
            content, tag = await _translated(lambda: self._document(viewer, wanted))
        except Problem as problem:
            return problem.response()
        headers = {**_CACHING, "ETag": tag}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type="application/json")

    async def _read(
        self, request: Request, viewer: Viewer, asked: Callable[[Viewer], Awaitable[Asked]], what: str
    ) -> Asked:
        try:
            wanted = await asked(viewer)
        except NoSuchKit as error:
            raise _hidden(error) from error
        except HTTPException as error:
            raise bad_request(error.detail) from error
        unknown = sorted(set(request.query_params) - set(_POINTS_PARAMETERS))
        if unknown:
            raise unknown_parameters(unknown, _POINTS_PARAMETERS)
        if not wanted.view.series:
            raise bad_request(what)
        return wanted

    async def _document(self, viewer: Viewer, asked: Asked) -> tuple[bytes, str]:
        async def ask() -> tuple[bytes, str]:
            drawing = await self._reader.drawing(viewer, asked.serials, asked.view, asked.zone)
            return document_of(in_own_units(drawing))

        try:
            # The points are the same in every language; what went wrong is not.
            return await self._answers.get((viewer.user, asked, current_language().tag), ask)
        except NoSuchKit as error:
            raise _hidden(error) from error
        except NoSuchSeries as error:
            raise Problem(404, detail=str(error)) from error
        except OutOfTime as error:
            raise bad_request(str(error)) from error

    def summing_up(self, request: Request, viewer: Viewer, error: StillRollingUp, path: str) -> Response:
        """Answer that older readings have to be summed up first; the page tries again by itself."""
        return self._site.page(
            request,
            "charts_wait.html",
            viewer=viewer,
            status_code=503,
            headers={"Retry-After": str(RETRY_SECONDS)},
            path=path,
            sentence=gettext(str(error)),
            retry_seconds=RETRY_SECONDS,
        )


async def _translated(ask: Callable[[], Awaitable[_Found]]) -> _Found:
    """Return the answer. Raises Problem 503 if it has to wait."""
    try:
        return await ask()
    except (StillRollingUp, DatabaseNotAnswering) as error:
        raise unavailable(gettext(str(error)), RETRY_SECONDS) from error


def _hidden(error: NoSuchKit) -> Problem:
    """Return the answer to a hidden kit, which is that to one that does not exist."""
    return Problem(404 if error.is_person else 401, detail=str(error))
