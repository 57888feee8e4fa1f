"""`/admin` and the pages that only show: jobs, health, backups, and the log of administrators."""

from __future__ import annotations

import time
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.domain.administration.figures import PartFigures, read_courses, read_figures
from hortus.domain.administration.log import list_deeds
from hortus.domain.administration.storage import Storage, read_storage
from hortus.http.pages.admin.deeds import sentence_of
from hortus.http.pages.admin.frame import AdminPages
from hortus.http.pages.admin.part import Knowledge
from hortus.http.pages.admin.parts import parts_of
from hortus.http.pages.requests import redirect
from hortus.http.pages.site import Site
from hortus.http.server.answers import SharedAnswers
from hortus.http.server.database_access import DatabaseNotAnswering

DEEDS_PER_PAGE = 50

# Adding up the sizes of all pictures takes a while.
_KEEP_STORAGE_SECONDS = 60.0


class AdminOverview(AdminPages):
    """Pages without forms."""

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._storage = SharedAnswers[Storage](keep_seconds=_KEEP_STORAGE_SECONDS, capacity=1)

    def routes(self) -> list[Route]:
        return [
            Route("/admin", self.show),
            Route("/admin/", self.without_slash),
            Route("/admin/jobs", self.jobs),
            Route("/admin/health", self.health),
            Route("/admin/backups", self.backups),
            Route("/admin/log", self.log),
        ]

    async def without_slash(self, request: Request) -> Response:
        """Send an administrator who typed a slash to the overview."""
        await self.viewer(request)
        return redirect(request, "/admin")

    async def show(self, request: Request) -> Response:
        """Answer with the parts, and what to do about each."""
        viewer = await self.viewer(request)
        parts = parts_of(await self._knowledge())
        return self.page(request, viewer, "overview", "overview.html", parts=parts)

    async def jobs(self, request: Request) -> Response:
        """Answer with the queues of background work."""
        viewer = await self.viewer(request)
        return self.page(request, viewer, "jobs", "jobs.html", backlog=await self.site.backlog.look())

    async def health(self, request: Request) -> Response:
        """Answer with the tasks of this process, and the last 24 hours by what is stored."""
        viewer = await self.viewer(request)
        async with self.site.reading() as connection:
            courses = await read_courses(connection)
        known = await self._knowledge()
        return self.page(
            request,
            viewer,
            "health",
            "health.html",
            courses=courses,
            parts=[part for part in parts_of(known) if part.needs_you],
            tasks=known.tasks,
        )

    async def backups(self, request: Request) -> Response:
        """Answer with how to make backups, since Hortus makes none."""
        viewer = await self.viewer(request)
        return self.page(request, viewer, "backups", "backups.html")

    async def log(self, request: Request) -> Response:
        """Answer with what administrators did, newest first."""
        viewer = await self.viewer(request)
        text = request.query_params.get("before", "")
        before = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
        async with self.site.reading() as connection:
            deeds = await list_deeds(connection, before_id=before, most=DEEDS_PER_PAGE + 1)
        shown = deeds[:DEEDS_PER_PAGE]
        return self.page(
            request,
            viewer,
            "log",
            "log.html",
            deeds=[(deed, sentence_of(deed)) for deed in shown],
            earlier=shown[-1].id if len(deeds) > DEEDS_PER_PAGE else None,
        )

    async def _knowledge(self) -> Knowledge:
        site, monitor = self.site, self.site.monitor
        began = time.monotonic()
        figures = await self._figures()
        took = timedelta(seconds=time.monotonic() - began)
        return Knowledge(
            now=site.clock(),
            started_at=monitor.started_at,
            flow=monitor.watch.look() if monitor.watch else None,
            tasks=monitor.supervisor.look(),
            gateway_fault=await monitor.gateway.fault(),
            has_gateway=monitor.gateway.is_running,
            has_mail=site.services.messages.mail is not None,
            backlog=await site.backlog.look(),
            figures=figures,
            storage=await self._stored() if figures else None,
            database_took=took,
        )

    async def _figures(self) -> PartFigures | None:
        try:
            async with self.site.reading() as connection:
                return await read_figures(connection)
        except DatabaseNotAnswering:
            return None

    async def _stored(self) -> Storage | None:
        async def ask() -> Storage:
            async with self.site.reading() as connection:
                return await read_storage(
                    connection, self.site.clock(), self.site.services.parts.database_folder
                )

        try:
            return await self._storage.get("all", ask)
        except DatabaseNotAnswering:
            return None
