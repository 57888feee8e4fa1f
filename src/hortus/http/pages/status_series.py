"""The series of kits for Home: last readings and recent courses, a bounded number of rows for each kit."""

from __future__ import annotations

import time
from collections import OrderedDict, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.plausibility.limits import limits_of_peripherals
from hortus.domain.plausibility.rules import UNLIMITED, explanation
from hortus.domain.series.freshness import measurement_interval_seconds
from hortus.http.pages.status import LastReading, SeriesKey, StatusSeries
from hortus.http.pages.status_statements import (
    COURSES,
    DEEP_READINGS,
    HEAD_READINGS,
    NEWEST_READINGS,
    RECENT_HOURS,
    SLOT_READINGS,
)

SLOTS = 36
SLOT_LENGTH = timedelta(minutes=10)
COURSE_HOURS = SLOTS * SLOT_LENGTH // timedelta(hours=1)

_REMEMBER_SECONDS = 60.0
_REMEMBERED_KITS = 2000
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

Newest = dict[SeriesKey, LastReading]
Courses = dict[SeriesKey, list[float | None]]


@dataclass(slots=True)
class _Memory:
    """Cached per kit because it changes slowly: courses, and last readings of series that report rarely.

    `courses` is None if nobody asked for them yet.
    """

    until: float
    newest: Newest = field(default_factory=dict)
    implausible: Newest = field(default_factory=dict)
    courses: Courses | None = None


class SeriesReader:
    """Reads the series of kits, and remembers what changes slowly."""

    def __init__(self) -> None:
        self._memories: OrderedDict[int, _Memory] = OrderedDict()

    async def read(
        self, connection: AsyncConnection, kit_ids: Sequence[int], now: datetime, *, with_courses: bool = True
    ) -> dict[int, tuple[StatusSeries, ...]]:
        """Return the series of these kits, by kit. Without `with_courses`, their courses may be empty."""
        recent = now - timedelta(hours=RECENT_HOURS)
        await self._renew_memories(connection, kit_ids, now, recent, with_courses=with_courses)
        heads = await _read_newest(connection, kit_ids, recent, now, HEAD_READINGS)
        result = {}
        for kit_id in kit_ids:
            memory = self._memories[kit_id]
            self._memories.move_to_end(kit_id)
            memory.newest = _newer(memory.newest, heads.plausible[kit_id])
            memory.implausible = _newer(memory.implausible, heads.implausible[kit_id])
        troubles = await _read_troubles(connection, [self._memories[kit_id] for kit_id in kit_ids])
        for kit_id in kit_ids:
            result[kit_id] = tuple(_series_of(self._memories[kit_id], troubles, now))
        while len(self._memories) > _REMEMBERED_KITS:
            self._memories.popitem(last=False)
        return result

    async def _renew_memories(
        self,
        connection: AsyncConnection,
        kit_ids: Sequence[int],
        now: datetime,
        recent: datetime,
        *,
        with_courses: bool,
    ) -> None:
        moment = time.monotonic()
        due = [
            kit_id
            for kit_id in kit_ids
            if kit_id not in self._memories
            or self._memories[kit_id].until <= moment
            or (with_courses and self._memories[kit_id].courses is None)
        ]
        if not due:
            return
        newest = await _read_newest(connection, due, recent, now, DEEP_READINGS)
        silent = [kit_id for kit_id in due if not (newest.plausible[kit_id] or newest.implausible[kit_id])]
        if silent:
            newest.update(await _read_newest(connection, silent, _LONG_AGO, recent, HEAD_READINGS))
        courses = await _read_courses(connection, due, now) if with_courses else None
        for kit_id in due:
            self._memories[kit_id] = _Memory(
                moment + _REMEMBER_SECONDS,
                newest.plausible[kit_id],
                newest.implausible[kit_id],
                None if courses is None else courses[kit_id],
            )


@dataclass(frozen=True, slots=True)
class _NewestOfKits:
    """The newest readings of each series, by kit: those that are plausible, and those that are not."""

    plausible: dict[int, Newest] = field(default_factory=lambda: defaultdict(dict))
    implausible: dict[int, Newest] = field(default_factory=lambda: defaultdict(dict))

    def update(self, others: _NewestOfKits) -> None:
        self.plausible.update(others.plausible)
        self.implausible.update(others.implausible)


async def _read_newest(
    connection: AsyncConnection, kit_ids: Sequence[int], since: datetime, now: datetime, readings: int
) -> _NewestOfKits:
    newest = _NewestOfKits()
    parameters = {"kit_ids": kit_ids, "since": since, "now": now, "readings": readings}
    for row in (await connection.execute(NEWEST_READINGS, parameters)).mappings():
        key = SeriesKey(peripheral=row["peripheral"], quantity_type_id=row["quantity_type_id"])
        of_kits = newest.plausible if row["plausible"] else newest.implausible
        of_kits[row["kit_id"]][key] = LastReading(
            key=key,
            peripheral_id=row["peripheral_id"],
            quantity=row["quantity"],
            unit=row["unit"],
            value=row["value"],
            at=row["at"],
            interval_seconds=measurement_interval_seconds(row["interval"]),
        )
    return newest


async def _read_troubles(
    connection: AsyncConnection, memories: Sequence[_Memory]
) -> dict[tuple[int, SeriesKey], str]:
    """Return, by peripheral and series, a sentence about each newest reading that is implausible."""
    faulty = [
        wrong
        for memory in memories
        for key, wrong in memory.implausible.items()
        if key not in memory.newest or memory.newest[key].at < wrong.at
    ]
    if not faulty:
        return {}
    limits = await limits_of_peripherals(connection, {each.peripheral_id for each in faulty})
    return {
        (each.peripheral_id, each.key): explanation(
            limits.get((each.peripheral_id, each.key.quantity_type_id), UNLIMITED),
            *(each.value, each.quantity, each.unit),
        )
        for each in faulty
    }


def _series_of(
    memory: _Memory, troubles: Mapping[tuple[int, SeriesKey], str], now: datetime
) -> Iterator[StatusSeries]:
    # A series that has only implausible readings is shown as well: the page says what is wrong with it.
    for key, described in sorted((memory.implausible | memory.newest).items(), key=_order_of_series):
        last, wrong = memory.newest.get(key), memory.implausible.get(key)
        yield StatusSeries(
            key=key,
            quantity=described.quantity,
            unit=described.unit,
            last=last,
            course=_course((memory.courses or {}).get(key), last, now),
            trouble=None if wrong is None else troubles.get((wrong.peripheral_id, key)),
        )


async def _read_courses(
    connection: AsyncConnection, kit_ids: Sequence[int], now: datetime
) -> dict[int, Courses]:
    courses: dict[int, Courses] = defaultdict(dict)
    parameters = {
        "kit_ids": kit_ids,
        "slots": SLOTS,
        "slot_length": SLOT_LENGTH,
        "start": _first_slot(now),
        "now": now,
        "readings": SLOT_READINGS,
    }
    for row in (await connection.execute(COURSES, parameters)).mappings():
        key = SeriesKey(peripheral=row["peripheral"], quantity_type_id=row["quantity_type_id"])
        course = courses[row["kit_id"]].setdefault(key, [None] * SLOTS)
        course[row["slot"]] = row["value"]
    return courses


def _first_slot(now: datetime) -> datetime:
    """Return the start of the first slot: slots start at multiples of their length, so curves stand still."""
    elapsed = (now - _LONG_AGO) % SLOT_LENGTH
    return now - elapsed - (SLOTS - 1) * SLOT_LENGTH


def _course(
    course: list[float | None] | None, last: LastReading | None, now: datetime
) -> tuple[float | None, ...]:
    """Return a course that ends with the last reading, if that lies in its last slot."""
    points = list(course or [None] * SLOTS)
    if last is not None and last.at > _first_slot(now) + (SLOTS - 1) * SLOT_LENGTH:
        points[-1] = last.value
    return tuple(points)


def _newer(one: Newest, other: Newest) -> Newest:
    merged = dict(one)
    for key, reading in other.items():
        if key not in merged or merged[key].at <= reading.at:
            merged[key] = reading
    return merged


def _order_of_series(item: tuple[SeriesKey, LastReading]) -> tuple[int, str]:
    # The same quantity appears in the same place on every kit.
    return item[0].quantity_type_id, item[0].peripheral.lower()
