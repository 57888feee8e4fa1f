"""`/kits/{serial}`, and the part of it that renews itself."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.base.language.translation import current_language, gettext
from hortus.http.access.viewer import Viewer
from hortus.http.pages.kits.frame import kit_page, reading_kit
from hortus.http.pages.kits.opened import NoSuchKit
from hortus.http.pages.kits.overview.series import COURSE_HOURS
from hortus.http.pages.kits.overview.store import OverviewReader
from hortus.http.pages.kits.overview.words import COMMAND_SIGNS, COMMAND_WORDS, notices
from hortus.http.pages.plant_status import PlantsOfKit
from hortus.http.pages.plant_store import PlantReader
from hortus.http.pages.renewal import reload_reply, renewal_reply, renewed
from hortus.http.pages.site import Site
from hortus.http.pages.times import clock_text
from hortus.http.server.answers import SharedAnswers

# The page asks every two seconds: many open tabs cost as much as one.
_KEEP_SECONDS = 1.0
_KEEP_PLANTS_SECONDS = 15.0
_KEPT_ANSWERS = 200


class OverviewPages:
    """The page, and `/kits/{serial}/overview` for its script."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._reader = OverviewReader(site)
        self._plants = PlantReader(site.engine, site.clock, site.services.parts.plant_freshness)
        self._answers = SharedAnswers[str](keep_seconds=_KEEP_SECONDS, capacity=_KEPT_ANSWERS)
        self._plants_of_kits = SharedAnswers[dict[int, PlantsOfKit]](
            keep_seconds=_KEEP_PLANTS_SECONDS, capacity=_KEPT_ANSWERS
        )

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        return [
            Route("/kits/{serial}", self.show, methods=["GET"]),
            Route("/kits/{serial}/overview", self.renewed, methods=["GET"]),
        ]

    async def show(self, request: Request) -> Response:
        """Answer with the whole page."""
        async with reading_kit(self._site, request) as (_, kit):
            pass
        content = await self._content(kit.viewer, kit.serial)
        return kit_page(self._site, request, kit, "overview", "kits/overview.html", content=content)

    async def renewed(self, request: Request) -> Response:
        """Answer with the part that renews itself, 304 if it is the same, or a request to reload the page."""
        viewer = await self._site.viewer(request)
        if not self._site.templates.is_current(request, viewer):
            return reload_reply()
        try:
            content = await self._content(viewer, request.path_params["serial"])
        except NoSuchKit:
            # Deleted, made private, or no longer theirs: the whole page says so.
            return reload_reply()
        return renewal_reply(request, renewed(content))

    async def _content(self, viewer: Viewer, serial: str) -> str:
        async def ask() -> str:
            overview = await self._reader.read(viewer, serial)
            kit_id = overview.presence.kit_id
            plants = await self._plants_of_kits.get(
                (viewer.user, kit_id), lambda: self._plants.plants_of_kits(viewer, (kit_id,))
            )
            now, zone = overview.now, overview.zone
            return self._site.templates.render(
                "kits/_overview.html",
                kit=overview,
                serial=overview.presence.serial,
                plants=plants.get(kit_id),
                notices=notices(overview),
                course_hours=COURSE_HOURS,
                zone_name=str(zone),
                clock=lambda moment: clock_text(moment, zone, now),
                command_word=lambda state: gettext(COMMAND_WORDS[state]),
                command_sign=COMMAND_SIGNS.__getitem__,
            )

        # The zone is the kit's, so it is the same for everybody.
        return await self._answers.get((viewer.user, current_language().tag, serial), ask)
