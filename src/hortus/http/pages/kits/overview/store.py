"""Reading the overview of a kit from one snapshot of the database."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.events.reader import read_events
from hortus.domain.kits.configurations import devices_of_configuration
from hortus.domain.kits.identity import is_serial_of_board
from hortus.domain.kits.tables import KitRow
from hortus.domain.plants.bands import bands_of_series
from hortus.domain.presence.store import read_presences
from hortus.domain.series.charts import EPOCH, Span
from hortus.domain.series.listing import list_series
from hortus.domain.series.store import ensure_series_of_kit, find_several_series, series_are_missing
from hortus.flow.commands.latest import last_commands
from hortus.flow.rpc.fetched import configuration_state
from hortus.http.access.permissions import Permission
from hortus.http.access.viewer import Viewer
from hortus.http.documents.events import looker_at
from hortus.http.pages.kits.opened import NoSuchKit, OpenedKit, open_kit
from hortus.http.pages.kits.overview.content import (
    Configurations,
    Course,
    Overview,
    actuators_of,
    groups_of,
)
from hortus.http.pages.site import Site
from hortus.http.pages.status import Picture
from hortus.http.pages.status_statements import COURSES, NEWEST_PICTURES, SLOT_READINGS
from hortus.http.server.answers import SharedAnswers

SLOTS = 36
SLOT_LENGTH = timedelta(minutes=10)
COURSE_HOURS = SLOTS * SLOT_LENGTH // timedelta(hours=1)

Courses = Mapping[tuple[str, int], Course]

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


async def make_missing_series(site: Site, kit_id: int) -> None:
    """Make the series of a new kit or configuration: they begin to exist when somebody looks."""
    async with site.reading() as connection:
        if not await series_are_missing(connection, kit_id):
            return
    async with site.changing() as writing:
        await ensure_series_of_kit(writing, kit_id)


async def _read(connection: AsyncConnection, kit: OpenedKit, courses: Courses, now: datetime) -> Overview:
    presence = (await read_presences(connection, now, [kit.id])).get(kit.id)
    if presence is None:
        raise NoSuchKit(is_person=kit.viewer.user is not None)  # deleted in between
    listed = await list_series(connection, kit.id, now)
    series = await find_several_series(connection, kit.id, [each.id for each in listed])
    moment = Span(now, now + timedelta(microseconds=1))
    bands = await bands_of_series(connection, kit.id, list(series.values()), moment)
    configurations = await _configurations(connection, kit)
    active_id = configurations.state.active_id
    devices = await devices_of_configuration(connection, active_id) if active_id is not None else []
    groups, earlier = groups_of(listed, devices, bands, courses, now)
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
        groups=groups,
        earlier=earlier,
        actuators=actuators_of(devices, await last_commands(connection, kit.id) if sees_commands else {}),
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


async def read_courses(site: Site, kit_id: int, now: datetime) -> Courses:
    """Return the recent course of each series, by peripheral and quantity type, in slots that stand still."""
    start = now - (now - EPOCH) % SLOT_LENGTH - (SLOTS - 1) * SLOT_LENGTH
    parameters = {
        "kit_ids": [kit_id],
        "slots": SLOTS,
        "slot_length": SLOT_LENGTH,
        "start": start,
        "now": now,
        "readings": SLOT_READINGS,
    }
    courses: dict[tuple[str, int], list[float | None]] = {}
    async with site.reading() as connection:
        for row in (await connection.execute(COURSES, parameters)).all():
            course = courses.setdefault((row.peripheral, row.quantity_type_id), [None] * SLOTS)
            course[row.slot] = row.value
    return {key: tuple(course) for key, course in courses.items()}
