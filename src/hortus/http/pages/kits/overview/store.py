"""Reading the overview of a kit from one snapshot of the database."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.events.reader import read_events
from hortus.domain.kits.identity import is_serial_of_board
from hortus.domain.kits.tables import KitRow
from hortus.domain.presence.store import read_presences
from hortus.flow.commands.latest import last_commands
from hortus.flow.rpc.fetched import configuration_state
from hortus.http.access.permissions import Permission
from hortus.http.access.viewer import Viewer
from hortus.http.documents.events import looker_at
from hortus.http.pages.kits.opened import NoSuchKit, OpenedKit, open_kit
from hortus.http.pages.kits.overview.content import (
    Configurations,
    Overview,
    actuators_of,
)
from hortus.http.pages.kits.overview.series import Courses, make_missing_series, read_courses, read_groups
from hortus.http.pages.site import Site
from hortus.http.pages.status import Picture
from hortus.http.pages.status_statements import NEWEST_PICTURES
from hortus.http.server.answers import SharedAnswers

_KEEP_COURSES_SECONDS = 60.0
_KEPT_COURSES = 500
_EVENTS_OF_TODAY = 8

_NAMES = text("SELECT id, description FROM kit_configurations WHERE kit_id = :kit_id")


class OverviewReader:
    """Reads overviews. Curves change slowly and are kept for a minute."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._courses = SharedAnswers[Courses](keep_seconds=_KEEP_COURSES_SECONDS, capacity=_KEPT_COURSES)

    async def read(self, viewer: Viewer, serial: str) -> Overview:
        """Return the overview. Raises NoSuchKit or DatabaseNotAnswering."""
        now = self._site.clock()
        kit_id = await self._make_series(viewer, serial)
        # Before the snapshot: nothing waits for a second connection while it holds one.
        courses = await self._courses.get(kit_id, lambda: read_courses(self._site, kit_id, now))
        async with self._site.reading() as connection:
            kit = await open_kit(connection, viewer, serial)
            return await _read(connection, kit, courses, now)

    async def _make_series(self, viewer: Viewer, serial: str) -> int:
        async with self._site.reading() as connection:
            kit = await open_kit(connection, viewer, serial)
        await make_missing_series(self._site, kit.id)
        return kit.id


async def _read(connection: AsyncConnection, kit: OpenedKit, courses: Courses, now: datetime) -> Overview:
    presence = (await read_presences(connection, now, [kit.id])).get(kit.id)
    if presence is None:
        raise NoSuchKit(is_person=kit.viewer.user is not None)  # deleted in between
    configurations = await _configurations(connection, kit)
    found = await read_groups(connection, kit.id, configurations.state.active_id, courses, now)
    sees_commands = kit.may(Permission.EDIT_CONFIGURATION)
    midnight = now.astimezone(kit.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    looker = looker_at(kit.access)
    today = await read_events(connection, looker, midnight, now, most=_EVENTS_OF_TODAY)
    return Overview(
        now=now,
        zone=kit.zone,
        created_at=await _created_at(connection, kit.id),
        presence=presence,
        configurations=configurations,
        groups=found.present,
        earlier=found.earlier,
        actuators=actuators_of(found.devices, await last_commands(connection, kit.id) if sees_commands else {}),
        sees_commands=sees_commands,
        picture=await _picture(connection, kit.id, now),
        today=today.events,
        today_total=today.total,
    )


async def _configurations(connection: AsyncConnection, kit: OpenedKit) -> Configurations:
    names = await connection.execute(_NAMES, {"kit_id": kit.id})
    return Configurations(
        state=await configuration_state(connection, kit.id, kit.serial),
        names={row.id: row.description for row in names if row.description},
        is_board=is_serial_of_board(kit.serial),
    )


async def _created_at(connection: AsyncConnection, kit_id: int) -> Any:
    return await connection.scalar(select(KitRow.created_at).where(KitRow.id == kit_id))


async def _picture(connection: AsyncConnection, kit_id: int, now: datetime) -> Picture | None:
    row = (await connection.execute(NEWEST_PICTURES, {"kit_ids": [kit_id], "now": now})).one_or_none()
    return Picture(id=row.id, name=row.name, at=row.at) if row else None
