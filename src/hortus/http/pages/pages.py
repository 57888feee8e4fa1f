"""The status page: all kits that the viewer may see, and how every message ended."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from hortus.base.language.translation import current_language, gettext
from hortus.http.access.viewer import Viewer
from hortus.http.pages.plant_status import PlantsOfKit
from hortus.http.pages.plant_store import PlantReader
from hortus.http.pages.site import Site
from hortus.http.pages.status_store import COURSE_HOURS, LEDGER_HOURS, StatusReader
from hortus.http.server.answers import SharedAnswers

# Pages poll every two seconds, so answers one second old will do, and many open tabs cost as much as one.
_KEEP_SECONDS = 1.0
_KEPT_ANSWERS = 200
# The condition of plants is judged from hours of readings, and changes slowly.
_KEEP_PLANTS_SECONDS = 15.0
_LAST_PAGE = 1_000_000


class StatusPages:
    """`/` and its self-refreshing part, `/status`."""

    def __init__(self, site: Site) -> None:
        self._reader = StatusReader(site.engine, site.clock)
        self._plants = PlantReader(site.engine, site.clock, site.services.parts.plant_freshness)
        self._backlog = site.backlog
        self._sessions = site.sessions
        self._templates = site.templates
        self._answers = SharedAnswers[str](keep_seconds=_KEEP_SECONDS, capacity=_KEPT_ANSWERS)
        self._plants_of_kits = SharedAnswers[dict[int, PlantsOfKit]](
            keep_seconds=_KEEP_PLANTS_SECONDS, capacity=_KEPT_ANSWERS
        )

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        return [
            Route("/", self.index, methods=["GET"]),
            Route("/status", self.status, methods=["GET"]),
        ]

    async def index(self, request: Request) -> Response:
        """Answer with the whole page."""
        page = _page_number(request)
        viewer = await self._sessions.viewer_of(request)
        content = await self._status(viewer, page)
        return self._templates.page("status.html", viewer=viewer, content=content, page=page)

    async def status(self, request: Request) -> Response:
        """Answer with the self-refreshing part, or request a reload if anything around it changed."""
        page = _page_number(request)
        viewer = await self._sessions.viewer_of(request)
        if not self._templates.is_current(request, viewer):
            return Response(status_code=200, headers={"HX-Refresh": "true"})
        return HTMLResponse(await self._status(viewer, page))

    async def _status(self, viewer: Viewer, page: int) -> str:
        async def ask() -> str:
            status = await self._reader.read(viewer, page)
            kit_ids = tuple(kit.id for kit in status.kits)
            plants = await self._plants_of_kits.get(
                (viewer.user, kit_ids), lambda: self._plants.plants_of_kits(viewer, kit_ids)
            )
            # Only administrators can do something about it.
            backlog = await self._backlog.look() if viewer.is_admin else None
            return self._templates.render(
                "_status.html",
                late=backlog.late if backlog else (),
                status=status,
                plants=plants,
                viewer=viewer,
                hours=LEDGER_HOURS,
                course_hours=COURSE_HOURS,
            )

        return await self._answers.get((viewer.user, current_language().tag, page), ask)


def _page_number(request: Request) -> int:
    text = request.query_params.get("page", "1")
    if not text.isascii() or not text.isdigit() or not 1 <= len(text) <= 7 or not 1 <= int(text) <= _LAST_PAGE:
        raise HTTPException(404, gettext("This page does not exist."))
    return int(text)
