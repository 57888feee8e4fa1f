"""Reading what a public link shows: how a kit is, and nothing about its place, its pictures or its people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from hortus.base.time_zones import time_zone_or
from hortus.domain.kits.public_links import find_kit_by_public_link
from hortus.domain.presence.judgement import Judgement
from hortus.domain.presence.store import read_presences
from hortus.flow.rpc.fetched import configuration_state
from hortus.http.access.viewer import ANONYMOUS
from hortus.http.pages.kits.overview.content import SensorGroup
from hortus.http.pages.kits.overview.series import Courses, make_missing_series, read_courses, read_groups
from hortus.http.pages.plant_status import PlantsOfKit
from hortus.http.pages.plant_store import PlantReader
from hortus.http.pages.site import Site
from hortus.http.server.answers import SharedAnswers

_KEEP_COURSES_SECONDS = 60.0
_KEPT_COURSES = 200


class NoSuchLink(LookupError):
    """There is no such link, or it was withdrawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKit:
    """A kit as its public link shows it."""

    now: datetime
    name: str
    description: str
    zone: ZoneInfo
    presence: Judgement
    groups: Sequence[SensorGroup]
    plants: PlantsOfKit | None


class PublicKitReader:
    """Reads kits by their links. Curves change slowly and are kept for a minute."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._usual_zone = site.services.messages.time_zone
        self._plants = PlantReader(site.engine, site.clock, site.services.parts.plant_freshness)
        self._courses = SharedAnswers[Courses](keep_seconds=_KEEP_COURSES_SECONDS, capacity=_KEPT_COURSES)

    async def kit_of(self, code: str) -> int:
        """Return the id of the kit with this link. Raises NoSuchLink or DatabaseNotAnswering."""
        async with self._site.reading() as connection:
            kit = await find_kit_by_public_link(connection, code)
        if kit is None:
            raise NoSuchLink
        return int(kit["id"])

    async def read(self, kit_id: int, code: str) -> PublicKit:
        """Return the kit with this id, if it still has this link. Raises NoSuchLink or DatabaseNotAnswering."""
        now = self._site.clock()
        await make_missing_series(self._site, kit_id)
        # Before the snapshot: nothing waits for a second connection while it holds one.
        courses = await self._courses.get(kit_id, lambda: read_courses(self._site, kit_id, now))
        plants = await self._plants.plants_of_kits(ANONYMOUS, (kit_id,))
        async with self._site.reading() as connection:
            kit = await find_kit_by_public_link(connection, code)
            presence = (await read_presences(connection, now, [kit_id])).get(kit_id)
            if kit is None or presence is None:
                raise NoSuchLink
            active_id = (await configuration_state(connection, kit_id, kit["serial"])).active_id
            found = await read_groups(connection, kit_id, active_id, courses, now)
            return PublicKit(
                now=now,
                name=kit["name"] or "",
                description=kit["description"] or "",
                zone=time_zone_or(kit["time_zone"], self._usual_zone),
                presence=presence.judgement,
                groups=found.present,
                plants=plants.get(kit_id),
            )
