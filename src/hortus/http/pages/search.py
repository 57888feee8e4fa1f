"""*Go to*: `/search`, its suggestions while typing, and the addresses of kits."""

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
from hortus.http.pages.kits.opened import NoSuchKit
from hortus.http.pages.places import ShownPlace, places_of
from hortus.http.pages.requests import redirect
from hortus.http.pages.search_store import Finds, SearchReader
from hortus.http.pages.site import Site
from hortus.http.pages.status_store import KITS_PER_PAGE

MOST_CHARACTERS = 100


class SearchPages:
    """`/search?q=`, `/search/suggestions?q=` and `/kits/{serial}`."""

    def __init__(self, site: Site) -> None:
        self._reader = SearchReader(site.engine)
        self._sessions = site.sessions
        self._templates = site.templates

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        return [
            Route("/search", self.show, methods=["GET"]),
            Route("/search/suggestions", self.suggestions, methods=["GET"]),
            Route("/kits/{serial}", self.kit, methods=["GET"]),
        ]

    async def show(self, request: Request) -> Response:
        """Answer with what was found; the serial of a kit leads straight to it."""
        viewer = await self._sessions.viewer_of(request)
        wanted = _wanted(request)
        serial = await self._reader.serial_of(viewer, wanted) if is_serial(wanted) else None
        if serial is not None:
            return redirect(request, _address(serial))
        finds, places = await self._find(viewer, wanted)
        return self._templates.page("search.html", viewer=viewer, query=wanted, finds=finds, pages=places)

    async def suggestions(self, request: Request) -> Response:
        """Answer with the same as a part of a page."""
        viewer = await self._sessions.viewer_of(request)
        wanted = _wanted(request)
        finds, places = await self._find(viewer, wanted)
        return HTMLResponse(self._templates.render("_found.html", query=wanted, finds=finds, pages=places))

    async def kit(self, request: Request) -> Response:
        """Redirect to the kit's card on the page of all kits, or anonymous visitors to the log-in."""
        viewer = await self._sessions.viewer_of(request)
        serial = request.path_params["serial"]
        place = await self._reader.place_of(viewer, serial) if is_serial(serial) else None
        if place is not None:
            page = place // KITS_PER_PAGE + 1
            return redirect(request, f"/?page={page}#kit-{quote(serial)}")
        raise NoSuchKit(is_person=viewer.user is not None)

    async def _find(self, viewer: Viewer, wanted: str) -> tuple[Finds, Sequence[ShownPlace]]:
        finds = await self._reader.find(viewer, wanted)
        places = [place for place in places_of(viewer) if wanted.lower() in place.name.lower()]
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
