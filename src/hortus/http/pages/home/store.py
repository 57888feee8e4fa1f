"""Reading Home: kits, the condition of their plants, and what needs the viewer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy.engine import RowMapping

from hortus.domain.alerts.inbox import Box, BoxCounts, count_boxes, list_box, present_readings
from hortus.domain.plants.state import Reading
from hortus.http.access.viewer import Viewer
from hortus.http.pages.alerts.lines import alert_lines
from hortus.http.pages.home.content import Home, home_kits, silent_kits
from hortus.http.pages.home.view import HomeView, Shown
from hortus.http.pages.plant_status import PlantsOfKit
from hortus.http.pages.plant_store import PlantReader
from hortus.http.pages.site import Site
from hortus.http.pages.status_store import StatusReader
from hortus.http.server.answers import SharedAnswers

MOST_NEEDS = 5

# The condition of plants is judged from hours of readings, and changes slowly.
_KEEP_PLANTS_SECONDS = 15.0
_KEPT_ANSWERS = 200


class HomeReader:
    """Reads what Home shows, with a fixed number of statements for any number of kits."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._status = StatusReader(site.engine, site.clock)
        self._fresh_for = site.services.parts.plant_freshness
        self._plants = PlantReader(site.engine, site.clock, self._fresh_for)
        self._plants_of_kits = SharedAnswers[dict[int, PlantsOfKit]](
            keep_seconds=_KEEP_PLANTS_SECONDS, capacity=_KEPT_ANSWERS
        )

    async def count_kits(self, viewer: Viewer) -> int:
        """Return how many kits the viewer may see. Raises DatabaseNotAnswering."""
        return await self._status.count(viewer)

    async def read(self, viewer: Viewer, view: HomeView, shown: Shown | None) -> Home:
        """Return Home in this view, or with the kits that are shown already. Raises DatabaseNotAnswering."""
        # A table has no curves.
        with_courses = not view.is_table
        if shown is None:
            status = await self._status.read(viewer, view.page, view.page_size, with_courses=with_courses)
        else:
            status = await self._status.read_again(
                viewer, shown.kit_ids, view.page, shown.pages, with_courses=with_courses
            )
        kit_ids = tuple(sorted(kit.id for kit in status.kits))
        plants = await self._plants_of_kits.get(
            (viewer.user, kit_ids), lambda: self._plants.plants_of_kits(viewer, kit_ids)
        )
        rows, readings, counts = await self._needs(viewer)
        return Home(
            status=status,
            kits=home_kits(status, plants, self._fresh_for),
            needs=alert_lines(rows, readings),
            silent=silent_kits(status, is_admin=viewer.is_admin) if viewer.user else (),
            counts=counts,
        )

    async def _needs(self, viewer: Viewer) -> tuple[Sequence[RowMapping], Mapping[int, Reading], BoxCounts]:
        if viewer.user is None:
            return (), {}, BoxCounts()
        now = self._site.clock()
        async with self._site.reading() as connection:
            counts = await count_boxes(connection, viewer.user.id, now)
            if not counts.open:
                return (), {}, counts
            rows = await list_box(connection, viewer.user.id, Box.OPEN, now=now, most=MOST_NEEDS)
            return rows, await present_readings(connection, rows, now, self._fresh_for), counts
