"""*Go to*: `/search`, and its suggestions while typing."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from hortus.base.language.translation import gettext
from hortus.base.text import fault_of_line
from hortus.domain.kits.identity import is_serial
from hortus.http.access.viewer import Viewer
from hortus.http.pages.places import ShownPlace, places_of
from hortus.http.pages.requests import redirect
from hortus.http.pages.search_store import Finds, SearchReader
from hortus.http.pages.site import Site

MOST_CHARACTERS = 100


class SearchPages:
    """`/search?q=` and `/search/suggestions?q=`."""

    def __init__(self, site: Site) -> None:
        self._reader = SearchReader(site.engine)
        self._site = site
        self._templates = site.templates
        self._sign_up_open = site.services.parts.sign_up_open

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        return [
            Route("/search", self.show, methods=["GET"]),
            Route("/search/suggestions", self.suggestions, methods=["GET"]),
        ]

    async def show(self, request: Request) -> Response:
        """Answer with what was found; the serial of a kit leads straight to it."""
        viewer = await self._site.viewer(request)
        wanted = _wanted(request)
        serial = await self._reader.serial_of(viewer, wanted) if is_serial(wanted) else None
        if serial is not None:
            return redirect(request, _address(serial))
        finds, places = await self._find(viewer, wanted)
        return self._templates.page("search.html", viewer=viewer, query=wanted, finds=finds, pages=places)

    async def suggestions(self, request: Request) -> Response:
        """Answer with the same as a part of a page."""
        viewer = await self._site.viewer(request)
        wanted = _wanted(request)
        finds, places = await self._find(viewer, wanted)
        return HTMLResponse(self._templates.render("_found.html", query=wanted, finds=finds, pages=places))

    async def _find(self, viewer: Viewer, wanted: str) -> tuple[Finds, Sequence[ShownPlace]]:
        finds = await self._reader.find(viewer, wanted)
        places = [
            place
            for place in places_of(viewer, sign_up_open=self._sign_up_open)
            if wanted.lower() in place.name.lower()
        ]
        return finds, places


def _address(serial: str) -> str:
    return f"/kits/{quote(serial)}"


def _wanted(request: Request) -> str:
    """Return the text to look for. Raises HTTPException 400 for one that no name can contain."""
    wanted = request.query_params.get("q", "").strip()
    if len(wanted) > MOST_CHARACTERS:
        raise HTTPException(400, gettext("Search for at most %(n)s characters.", n=MOST_CHARACTERS))
    if fault_of_line(wanted) is not None:
        raise HTTPException(400, gettext("Search for ordinary characters only."))
    return wanted
