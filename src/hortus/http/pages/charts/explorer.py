"""`/charts`: the charts of several kits on one page, `/charts.csv` and `/charts/points.json`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from zoneinfo import ZoneInfo

from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.base.language.translation import gettext
from hortus.domain.series.catching_up import StillRollingUp
from hortus.http.access.viewer import Viewer
from hortus.http.pages.charts.choosing import chosen
from hortus.http.pages.charts.content import page_values
from hortus.http.pages.charts.delivery import Asked, Delivery
from hortus.http.pages.charts.kits import kits_to_chart
from hortus.http.pages.charts.store import ChartPage, ChartReader, OutOfTime
from hortus.http.pages.charts.view import ChartView, parse_view, series_of_kits, zone_of_view
from hortus.http.pages.site import Site

PATH = "/charts"
_MOST_CHARACTERS = 100


class ExplorerPages:
    """The charts of all kits that the viewer may see."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._reader = ChartReader(site.engine, site.clock, site.services.rollups)
        self._delivery = Delivery(site, self._reader)

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        return [
            Route(PATH, self.show, methods=["GET"]),
            Route(f"{PATH}.csv", self.file, methods=["GET"]),
            Route(f"{PATH}/points.json", self.points, methods=["GET"]),
        ]

    async def show(self, request: Request) -> Response:
        """Answer with the page. Series of kits that the viewer may not see are left out, like unknown ones."""
        viewer = await self._site.viewer(request)
        wanted = series_of_kits(request.query_params.getlist("s"))
        part = request.query_params.get("find", "")[:_MOST_CHARACTERS]
        added = request.query_params.getlist("kit")[:1]
        async with self._site.reading() as connection:
            asked_kits = list(dict.fromkeys([*(serial for serial, _ in wanted), *added]))
            kits = await kits_to_chart(connection, viewer, asked_kits, part)
        if not kits.shown:
            kits = replace(kits, shown=kits.others[:1], others=kits.others[1:])
        serials = [kit.serial for kit in kits.shown]
        if not serials:
            return self._site.page(request, "charts_none.html", viewer=viewer, find=part)
        zone = await self._zone(request, viewer, serials[0])
        view = _view(request, zone, [each for each in wanted if each[0] in serials])
        try:
            page = await self._reader.page(viewer, serials, view, zone, partial(chosen, view))
        except OutOfTime as error:
            raise HTTPException(400, str(error)) from error
        except StillRollingUp as error:
            return self._delivery.summing_up(request, viewer, error, PATH)
        return self._site.page(
            request,
            "charts.html",
            viewer=viewer,
            layout="charts_of_all.html",
            kits=kits,
            find=part,
            **page_values(page, _shown(view, page), _asked_view(view, wanted), viewer, PATH),
        )

    async def file(self, request: Request) -> Response:
        """Answer with what the page shows as CSV."""
        viewer = await self._site.viewer(request)
        asked = await self._asked(request, viewer, "s")
        try:
            return await self._delivery.file(request, viewer, asked, "hortus")
        except StillRollingUp as error:
            return self._delivery.summing_up(request, viewer, error, PATH)

    async def points(self, request: Request) -> Response:
        """Answer with the points of several series, or 304 if the client has them."""

        async def asked(viewer: Viewer) -> Asked:
            return await self._asked(request, viewer, "series")

        missing = gettext("series is missing: kits and numbers of series, such as k-1234-abcd-efgh:7.")
        return await self._delivery.points(request, asked, missing)

    async def _asked(self, request: Request, viewer: Viewer, name: str) -> Asked:
        """Return what a request asks for. Raises HTTPException, or NoSuchKit for the first hidden kit."""
        wanted = series_of_kits(request.query_params.getlist(name))
        serials = tuple(dict.fromkeys(serial for serial, _ in wanted))
        zone = await self._zone(request, viewer, serials[0]) if serials else viewer.usual_zone
        return Asked(serials=serials, view=_view(request, zone, wanted), zone=zone)

    async def _zone(self, request: Request, viewer: Viewer, serial: str) -> ZoneInfo:
        """Return the zone of the page: that of the first kit, if the address does not say otherwise."""
        return zone_of_view(request.query_params, await self._reader.zone(viewer, serial), viewer)


def _view(request: Request, zone: ZoneInfo, wanted: Sequence[tuple[str, int]]) -> ChartView:
    query = QueryParams([(name, value) for name, value in request.query_params.multi_items() if name != "s"])
    return _asked_view(parse_view(query, zone), wanted)


def _asked_view(view: ChartView, wanted: Sequence[tuple[str, int]]) -> ChartView:
    series, kits = tuple(id_ for _, id_ in wanted), tuple(serial for serial, _ in wanted)
    return replace(view, is_of_all=True, series=series, kits=kits)


def _shown(view: ChartView, page: ChartPage) -> ChartView:
    """Return the view with the series that are drawn, which may be fewer, or others if it names none."""
    drawn = page.drawing.series
    return _asked_view(view, [(each.serial, each.series.id) for each in drawn])
