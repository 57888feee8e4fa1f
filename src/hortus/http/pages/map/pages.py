"""`/map`: kits where they stand, as a list that works without script, and as a map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import RowMapping
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.domain.kits.details import list_kits_with_place
from hortus.domain.kits.position import rounded_position
from hortus.domain.presence.judgement import PresenceState
from hortus.domain.presence.store import PresenceRecord, read_presences
from hortus.http.pages.site import Site
from hortus.http.server.headers import content_security_policy

MOST_KITS = 500
_MOST_WORDS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedKit:
    """A kit on the map; its position is rounded to about 1 km unless `is_exact`."""

    serial: str
    name: str
    latitude: float
    longitude: float
    is_exact: bool
    state: PresenceState
    last_contact_at: datetime | None


class MapPages:
    """The map and its list, which both show the same kits."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        return [Route("/map", self.show)]

    async def show(self, request: Request) -> Response:
        """Answer with the kits that the viewer may see on a map, all or those with these words."""
        site, viewer = self._site, await self._site.viewer(request)
        words = request.query_params.get("q", "").strip()[:_MOST_WORDS]
        now = site.clock()
        async with site.reading() as connection:
            rows = await list_kits_with_place(
                connection,
                user_id=viewer.user.id if viewer.user else None,
                is_admin=viewer.is_admin,
                words=words,
                most=MOST_KITS + 1,
            )
            presences = await read_presences(connection, now, [row["kit_id"] for row in rows[:MOST_KITS]])
        tiles = site.map_tiles
        policy = content_security_policy(tiles.origin) if tiles else content_security_policy()
        return site.page(
            request,
            "map/map.html",
            viewer=viewer,
            headers={"Content-Security-Policy": policy},
            kits=_placed(rows[:MOST_KITS], presences),
            has_more=len(rows) > MOST_KITS,
            most=MOST_KITS,
            words=words,
            tiles=tiles,
            now=now,
            current_place="map",
        )


def _placed(rows: Sequence[RowMapping], presences: Mapping[int, PresenceRecord]) -> list[PlacedKit]:
    kits: list[PlacedKit] = []
    for row in rows:
        latitude, longitude = float(row["latitude"]), float(row["longitude"])
        if not row["is_exact"]:
            latitude, longitude = rounded_position(latitude, longitude)
        presence = presences.get(row["kit_id"])
        kits.append(
            PlacedKit(
                serial=row["serial"],
                name=row["name"] or row["serial"],
                latitude=latitude,
                longitude=longitude,
                is_exact=row["is_exact"],
                state=presence.judgement.state if presence else PresenceState.NEVER,
                last_contact_at=presence.judgement.last_contact_at if presence else None,
            )
        )
    return kits
