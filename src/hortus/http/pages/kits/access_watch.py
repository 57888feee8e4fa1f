"""Tells an open page of a kit that its viewer no longer sees the kit, or is no longer logged in."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from hortus.http.pages.kits.frame import reading_kit
from hortus.http.pages.kits.opened import NoSuchKit
from hortus.http.pages.site import Site

_LAST_ANSWER = 286  # what htmx understands as the end of polling


class AccessWatchPages:
    """`/kits/{serial}/access`, which every page of a kit asks now and then; `viewer` is who opened the page."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        return [Route("/kits/{serial}/access", self.look, methods=["GET"])]

    async def look(self, request: Request) -> Response:
        """Answer with nothing while all is as it was, and then with what changed, once."""
        opened_by = request.query_params.get("viewer", "")
        try:
            async with reading_kit(self._site, request) as (_, kit):
                is_same = kit.viewer.name == opened_by
        except NoSuchKit as error:
            return self._ended(is_log_in=bool(opened_by) and not error.is_person)
        return Response(status_code=204) if is_same else self._ended(is_log_in=bool(opened_by))

    def _ended(self, *, is_log_in: bool) -> Response:
        content = self._site.templates.render("kits/_access_ended.html", is_log_in=is_log_in)
        return HTMLResponse(content, status_code=_LAST_ANSWER)
