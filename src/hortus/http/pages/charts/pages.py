"""`/kits/{serial}/charts`, the file of what it shows, and `points.json` for its script."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from hortus.domain.series.catching_up import StillRollingUp
from hortus.http.access.sessions import Sessions
from hortus.http.access.viewer import Viewer
from hortus.http.conventions.problems import Problem, bad_request, unavailable, unknown_parameters
from hortus.http.pages.charts.answer import document_of
from hortus.http.pages.charts.store import ChartReader, NoSuchKit, NoSuchSeries, OutOfTime
from hortus.http.pages.charts.view import ChartView, parse_view, series_ids
from hortus.http.pages.rendering import Templates
from hortus.http.server.answers import SharedAnswers
from hortus.http.server.database_access import DatabaseNotAnswering

# Open tabs ask for the same points at about the same time.
_KEEP_SECONDS = 1.0
_KEPT_ANSWERS = 50
_RETRY_SECONDS = 5
_POINTS_PARAMETERS = ("from", "points", "series", "to")
_CACHING = {"Cache-Control": "private, no-cache", "Vary": "Cookie"}

_Found = TypeVar("_Found")

NO_KIT = "This kit does not exist, or you cannot see it."


class ChartPages:
    """The pages of a kit's charts."""

    def __init__(self, reader: ChartReader, sessions: Sessions, templates: Templates) -> None:
        self._reader = reader
        self._sessions = sessions
        self._templates = templates
        self._answers = SharedAnswers[tuple[bytes, str]](keep_seconds=_KEEP_SECONDS, capacity=_KEPT_ANSWERS)

    async def points(self, request: Request) -> Response:
        """Answer with the points of several series, or 304 if the client has them."""
        try:
            return await self._points(request)
        except Problem as problem:
            return problem.response()

    async def _points(self, request: Request) -> Response:
        viewer = await _translated(lambda: self._sessions.viewer_of(request))
        serial = request.path_params["serial"]
        view = await _translated(lambda: self._asked(request, viewer, serial))
        content, tag = await _translated(lambda: self._document(viewer, serial, view))
        headers = {**_CACHING, "ETag": tag}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type="application/json")

    async def _asked(self, request: Request, viewer: Viewer, serial: str) -> ChartView:
        # First, so that a mistake in the query tells nothing about a kit that is hidden.
        try:
            zone = await self._reader.zone(viewer, serial)
        except NoSuchKit as error:
            raise _hidden(viewer) from error
        unknown = sorted(set(request.query_params) - set(_POINTS_PARAMETERS))
        if unknown:
            raise unknown_parameters(unknown, _POINTS_PARAMETERS)
        try:
            series = series_ids(request.query_params.getlist("series"))
            view = replace(parse_view(request.query_params, zone), series=series)
        except HTTPException as error:
            raise bad_request(error.detail) from error
        if not series:
            raise bad_request("series is missing: the numbers of the series, such as 7,9.")
        return view

    async def _document(self, viewer: Viewer, serial: str, view: ChartView) -> tuple[bytes, str]:
        async def ask() -> tuple[bytes, str]:
            return document_of(await self._reader.drawing(viewer, serial, view))

        try:
            return await self._answers.get((viewer.user, serial, view), ask)
        except NoSuchKit as error:
            raise _hidden(viewer) from error
        except NoSuchSeries as error:
            raise Problem(404, detail=str(error)) from error
        except OutOfTime as error:
            raise bad_request(str(error)) from error


async def _translated(ask: Callable[[], Awaitable[_Found]]) -> _Found:
    """Return the answer. Raises Problem 503 if it has to wait."""
    try:
        return await ask()
    except (StillRollingUp, DatabaseNotAnswering) as error:
        raise unavailable(str(error), _RETRY_SECONDS) from error


def _hidden(viewer: Viewer) -> Problem:
    """Return the answer to a hidden kit, which is that to one that does not exist."""
    return Problem(401 if viewer.user is None else 404, detail=NO_KIT)
