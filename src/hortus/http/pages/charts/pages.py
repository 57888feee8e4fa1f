"""`/kits/{serial}/charts`, the file of what it shows, and `points.json` for its script."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

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
from hortus.http.pages.charts.files import chart_file_routes
from hortus.http.pages.charts.store import ChartReader, OutOfTime
from hortus.http.pages.charts.view import parse_view, series_ids, zone_of_view
from hortus.http.pages.kits.frame import kit_page
from hortus.http.pages.site import Site


class ChartPages:
    """The pages of a kit's charts."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._reader = ChartReader(site.engine, site.clock, site.services.rollups)
        self._delivery = Delivery(site, self._reader)

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        return [
            Route("/kits/{serial}/charts", self.show, methods=["GET"]),
            Route("/kits/{serial}/charts.csv", self.file, methods=["GET"]),
            Route("/kits/{serial}/points.json", self.points, methods=["GET"]),
            *chart_file_routes(),
        ]

    async def show(self, request: Request) -> Response:
        """Answer with the page, or redirect anonymous visitors who may not see the kit to the log-in."""
        viewer = await self._site.viewer(request)
        asked = await self._asked(request, viewer)
        serial, view = asked.serials[0], asked.view
        try:
            page = await self._reader.page(viewer, [serial], view, asked.zone, partial(chosen, view))
        except OutOfTime as error:
            raise HTTPException(400, str(error)) from error
        except StillRollingUp as error:
            return self._delivery.summing_up(request, viewer, error, f"/kits/{serial}/charts")
        shown = replace(view, series=tuple(each.series.id for each in page.drawing.series))
        values = page_values(page, shown, view, viewer, f"/kits/{serial}/charts")
        return kit_page(self._site, request, page.kit, "charts", "charts.html", **values)

    async def file(self, request: Request) -> Response:
        """Answer with what the page shows as CSV."""
        viewer = await self._site.viewer(request)
        asked = await self._asked(request, viewer)
        serial = asked.serials[0]
        try:
            return await self._delivery.file(request, viewer, asked, serial)
        except StillRollingUp as error:
            return self._delivery.summing_up(request, viewer, error, f"/kits/{serial}/charts")

    async def points(self, request: Request) -> Response:
        """Answer with the points of several series, or 304 if the client has them."""

        async def asked(viewer: Viewer) -> Asked:
            wanted = await self._asked(request, viewer)
            ids = series_ids(request.query_params.getlist("series"))
            return replace(wanted, view=replace(wanted.view, series=ids))

        missing = gettext("series is missing: the numbers of the series, such as 7,9.")
        return await self._delivery.points(request, asked, missing)

    async def _asked(self, request: Request, viewer: Viewer) -> Asked:
        serial = request.path_params["serial"]
        # First, so that a mistake in the query tells nothing about a kit that is hidden.
        zone = await self._reader.zone(viewer, serial)
        zone = zone_of_view(request.query_params, zone, viewer)
        return Asked(serials=(serial,), view=parse_view(request.query_params, zone), zone=zone)
