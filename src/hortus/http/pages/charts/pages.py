"""`/kits/{serial}/charts`, the file of what it shows, and `points.json` for its script."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.base.language.translation import current_language, gettext
from hortus.domain.series.catching_up import StillRollingUp
from hortus.domain.series.listing import ListedSeries
from hortus.http.access.viewer import Viewer
from hortus.http.conventions.media_delivery import disposition
from hortus.http.conventions.problems import Problem, bad_request, unavailable, unknown_parameters
from hortus.http.pages.charts.answer import document_of, unit_of_type
from hortus.http.pages.charts.content import page_values
from hortus.http.pages.charts.moments import address_text
from hortus.http.pages.charts.panels import chosen_series
from hortus.http.pages.charts.store import ChartReader, NoSuchSeries, OutOfTime
from hortus.http.pages.charts.table import csv_of
from hortus.http.pages.charts.view import ChartView, parse_view, series_ids
from hortus.http.pages.kits.frame import kit_page
from hortus.http.pages.kits.opened import NoSuchKit
from hortus.http.pages.site import Site
from hortus.http.server.answers import SharedAnswers
from hortus.http.server.database_access import DatabaseNotAnswering

# Open tabs ask for the same points at about the same time.
_KEEP_SECONDS = 1.0
_KEPT_ANSWERS = 50
_RETRY_SECONDS = 5
_FIRST_FEW = 3
_POINTS_PARAMETERS = ("from", "points", "series", "to")
_CACHING = {"Cache-Control": "private, no-cache", "Vary": "Cookie"}

_Found = TypeVar("_Found")


class ChartPages:
    """The pages of a kit's charts."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._reader = ChartReader(site.engine, site.clock, site.services.rollups)
        self._answers = SharedAnswers[tuple[bytes, str]](keep_seconds=_KEEP_SECONDS, capacity=_KEPT_ANSWERS)

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        return [
            Route("/kits/{serial}/charts", self.show, methods=["GET"]),
            Route("/kits/{serial}/charts.csv", self.file, methods=["GET"]),
            Route("/kits/{serial}/points.json", self.points, methods=["GET"]),
        ]

    async def show(self, request: Request) -> Response:
        """Answer with the page, or redirect anonymous visitors who may not see the kit to the log-in."""
        viewer = await self._site.viewer(request)
        serial = request.path_params["serial"]
        try:
            view = parse_view(request.query_params, await self._reader.zone(viewer, serial))
            page = await self._reader.page(viewer, serial, view, partial(_chosen, view))
        except OutOfTime as error:
            raise HTTPException(400, str(error)) from error
        except StillRollingUp as error:
            return self._summing_up(viewer, request, error)
        shown = replace(view, series=tuple(each.series.id for each in page.drawing.series))
        return kit_page(
            self._site, request, page.kit, "charts", "charts.html", **page_values(page, shown, view)
        )

    async def file(self, request: Request) -> Response:
        """Answer with what the page shows as CSV."""
        viewer = await self._site.viewer(request)
        serial = request.path_params["serial"]
        try:
            view = parse_view(request.query_params, await self._reader.zone(viewer, serial))
            if not view.series:
                raise HTTPException(400, gettext("s is missing: the numbers of the series, such as s=7,9."))
            drawing = await self._reader.drawing(viewer, serial, view)
        except NoSuchSeries as error:
            raise HTTPException(404, str(error)) from error
        except OutOfTime as error:
            raise HTTPException(400, str(error)) from error
        except StillRollingUp as error:
            return self._summing_up(viewer, request, error)
        name = f"{serial} {address_text(drawing.span.start)} {address_text(drawing.span.end)}.csv"
        headers = {"Content-Disposition": disposition(name.replace(":", ""))}
        return Response(csv_of(drawing), headers=headers, media_type="text/csv; charset=utf-8")

    def _summing_up(self, viewer: Viewer, request: Request, error: StillRollingUp) -> Response:
        return self._site.page(
            request,
            "charts_wait.html",
            viewer=viewer,
            status_code=503,
            headers={"Retry-After": str(_RETRY_SECONDS)},
            serial=request.path_params["serial"],
            sentence=gettext(str(error)),
            retry_seconds=_RETRY_SECONDS,
        )

    async def points(self, request: Request) -> Response:
        """Answer with the points of several series, or 304 if the client has them."""
        try:
            return await self._points(request)
        except Problem as problem:
            return problem.response()

    async def _points(self, request: Request) -> Response:
        viewer = await _translated(lambda: self._site.viewer(request))
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
            raise _hidden(error) from error
        unknown = sorted(set(request.query_params) - set(_POINTS_PARAMETERS))
        if unknown:
            raise unknown_parameters(unknown, _POINTS_PARAMETERS)
        try:
            series = series_ids(request.query_params.getlist("series"))
            view = replace(parse_view(request.query_params, zone), series=series)
        except HTTPException as error:
            raise bad_request(error.detail) from error
        if not series:
            raise bad_request(gettext("series is missing: the numbers of the series, such as 7,9."))
        return view

    async def _document(self, viewer: Viewer, serial: str, view: ChartView) -> tuple[bytes, str]:
        async def ask() -> tuple[bytes, str]:
            return document_of(await self._reader.drawing(viewer, serial, view))

        try:
            # The points are the same in every language; what went wrong is not.
            return await self._answers.get((viewer.user, serial, view, current_language().tag), ask)
        except NoSuchKit as error:
            raise _hidden(error) from error
        except NoSuchSeries as error:
            raise Problem(404, detail=str(error)) from error
        except OutOfTime as error:
            raise bad_request(str(error)) from error


async def _translated(ask: Callable[[], Awaitable[_Found]]) -> _Found:
    """Return the answer. Raises Problem 503 if it has to wait."""
    try:
        return await ask()
    except (StillRollingUp, DatabaseNotAnswering) as error:
        raise unavailable(gettext(str(error)), _RETRY_SECONDS) from error


def _chosen(view: ChartView, listed: Sequence[ListedSeries], with_target: frozenset[int]) -> list[int]:
    """Return the series to draw: those asked for, else those with a target, else the first few."""
    if view.series:
        known = {each.id: each for each in listed}
        wanted = [known[id_] for id_ in view.series if id_ in known]
    elif view.named:
        wanted = [each for each in listed if (each.peripheral_name, each.quantity_type.id) == view.named]
    else:
        active = [each for each in listed if each.active_peripheral_id is not None] or listed
        wanted = [each for each in active if each.id in with_target] or list(active[:_FIRST_FEW])
    return chosen_series([(each.id, unit_of_type(each.quantity_type)) for each in wanted])


def _hidden(error: NoSuchKit) -> Problem:
    """Return the answer to a hidden kit, which is that to one that does not exist."""
    return Problem(404 if error.is_person else 401, detail=str(error))
