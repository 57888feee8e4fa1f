"""The series of a kit as pages show them: made when a page needs them, with their course, by sensor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.kits.configurations import devices_of_configuration
from hortus.domain.kits.devices import ConfiguredDevice
from hortus.domain.plants.bands import bands_of_series
from hortus.domain.series.charts import EPOCH, Span
from hortus.domain.series.listing import list_series
from hortus.domain.series.store import ensure_series_of_kit, find_several_series, series_are_missing
from hortus.http.pages.kits.overview.content import Course, SensorGroup, groups_of
from hortus.http.pages.site import Site
from hortus.http.pages.status_statements import COURSES, SLOT_READINGS

SLOTS = 36
SLOT_LENGTH = timedelta(minutes=10)
COURSE_HOURS = SLOTS * SLOT_LENGTH // timedelta(hours=1)

Courses = Mapping[tuple[str, int], Course]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundGroups:
    """The series of the active configuration and of earlier sensors, and the devices of that configuration."""

    present: Sequence[SensorGroup]
    earlier: Sequence[SensorGroup]
    devices: Sequence[ConfiguredDevice]


async def make_missing_series(site: Site, kit_id: int) -> None:
    """Make the series of a new kit or configuration: they begin to exist when a page needs them."""
    async with site.reading() as connection:
        if not await series_are_missing(connection, kit_id):
            return
    async with site.changing() as writing:
        await ensure_series_of_kit(writing, kit_id)


async def read_groups(
    connection: AsyncConnection, kit_id: int, active_id: int | None, courses: Courses, now: datetime
) -> FoundGroups:
    """Return the series of a kit by sensor, with targets and courses. `active_id` is its configuration."""
    listed = await list_series(connection, kit_id, now)
    series = await find_several_series(connection, kit_id, [each.id for each in listed])
    moment = Span(now, now + timedelta(microseconds=1))
    bands = await bands_of_series(connection, kit_id, list(series.values()), moment)
    devices = await devices_of_configuration(connection, active_id) if active_id is not None else []
    present, earlier = groups_of(listed, devices, bands, courses, now)
    return FoundGroups(present=present, earlier=earlier, devices=devices)


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
