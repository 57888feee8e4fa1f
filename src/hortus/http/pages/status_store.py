"""Reading the status page from the database, with a fixed number of statements for any number of kits."""

from __future__ import annotations

import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from hortus.domain.ledger.store import LedgerCounts
from hortus.domain.plausibility.limits import limits_of_peripherals
from hortus.domain.plausibility.rules import UNLIMITED, explanation
from hortus.domain.presence.store import PresenceRecord, read_presences
from hortus.http.access.viewer import Viewer, visibility_parameters
from hortus.http.pages.status import (
    KitStatus,
    LastReading,
    Picture,
    SeriesKey,
    StatusPage,
    StatusSeries,
    explained,
    summed,
)
from hortus.http.pages.status_statements import (
    COURSES,
    DEEP_READINGS,
    HEAD_READINGS,
    KITS_OF_PAGE,
    LEDGER_REASONS,
    LEDGER_SUMS,
    NEWEST_PICTURES,
    NEWEST_READINGS,
    NUMBER_OF_KITS,
    RECENT_HOURS,
    SLOT_READINGS,
)
from hortus.http.server.database_access import snapshot

# Pages are rendered in the event loop that also stores readings: 24 kits take it some 20 ms.
KITS_PER_PAGE = 24
LEDGER_HOURS = 24
SLOTS = 36
SLOT_LENGTH = timedelta(minutes=10)
COURSE_HOURS = SLOTS * SLOT_LENGTH // timedelta(hours=1)

_REMEMBER_SECONDS = 60.0
_REMEMBERED_KITS = 2000
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

_NO_KIT = 0
_OTHER_KITS = -1

Newest = dict[SeriesKey, LastReading]
Courses = dict[SeriesKey, list[float | None]]


@dataclass(slots=True)
class _Memory:
    """Cached per kit because it changes slowly: courses, and last readings of series that report rarely."""

    until: float
    newest: Newest = field(default_factory=dict)
    implausible: Newest = field(default_factory=dict)
    courses: Courses = field(default_factory=dict)


class StatusReader:
    """Reads pages of kits. `clock` returns the current time as an aware datetime."""

    def __init__(self, engine: AsyncEngine, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._clock = clock
        self._memories: OrderedDict[int, _Memory] = OrderedDict()

    async def read(self, viewer: Viewer, page: int) -> StatusPage:
        """Return a page of the kits that the viewer may see. Pages count from 1; beyond the last, the last.

        Everything on it comes from one snapshot of committed data (P7). Raises DatabaseNotAnswering.
        """
        now = self._clock()
        visible = visibility_parameters(viewer)
        async with snapshot(self._engine) as connection:
            number = (await connection.execute(NUMBER_OF_KITS, visible)).scalar_one()
            pages = max(1, -(-number // KITS_PER_PAGE))
            page = min(page, pages)
            window = {"page_size": KITS_PER_PAGE, "skipped": (page - 1) * KITS_PER_PAGE}
            kits = (await connection.execute(KITS_OF_PAGE, visible | window)).mappings().all()
            kit_ids = [kit["id"] for kit in kits]
            counts = await _read_ledger(connection, visible, kit_ids, now)
            series = await self._read_series(connection, kit_ids, now)
            pictures = await _read_pictures(connection, kit_ids, now)
            presences = await read_presences(connection, now, kit_ids)
        return StatusPage(
            now=now,
            page=page,
            pages=pages,
            kits_in_total=number,
            kits=tuple(
                _kit_status(
                    kit,
                    counts[kit["id"]],
                    series[kit["id"]],
                    presences[kit["id"]],
                    pictures.get(kit["id"]),
                )
                for kit in kits
            ),
            totals=summed(list(counts.values())),
            unassigned=counts[_NO_KIT] if viewer.is_admin else None,
            unassigned_reasons=explained(counts[_NO_KIT]) if viewer.is_admin else (),
        )

    async def _read_series(
        self, connection: AsyncConnection, kit_ids: list[int], now: datetime
    ) -> dict[int, tuple[StatusSeries, ...]]:
        recent = now - timedelta(hours=RECENT_HOURS)
        await self._renew_memories(connection, kit_ids, now, recent)
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
        self, connection: AsyncConnection, kit_ids: list[int], now: datetime, recent: datetime
    ) -> None:
        moment = time.monotonic()
        due = [
            kit_id
            for kit_id in kit_ids
            if kit_id not in self._memories or self._memories[kit_id].until <= moment
        ]
        if not due:
            return
        newest = await _read_newest(connection, due, recent, now, DEEP_READINGS)
        silent = [kit_id for kit_id in due if not (newest.plausible[kit_id] or newest.implausible[kit_id])]
        if silent:
            newest.update(await _read_newest(connection, silent, _LONG_AGO, recent, HEAD_READINGS))
        courses = await _read_courses(connection, due, now)
        for kit_id in due:
            self._memories[kit_id] = _Memory(
                moment + _REMEMBER_SECONDS,
                *(newest.plausible[kit_id], newest.implausible[kit_id], courses[kit_id]),
            )


async def _read_pictures(connection: AsyncConnection, kit_ids: list[int], now: datetime) -> dict[int, Picture]:
    rows = await connection.execute(NEWEST_PICTURES, {"kit_ids": kit_ids, "now": now})
    return {row.kit_id: Picture(id=row.id, name=row.name, at=row.at) for row in rows}


async def _read_ledger(
    connection: AsyncConnection, visible: Mapping[str, Any], kit_ids: list[int], now: datetime
) -> dict[int, LedgerCounts]:
    """Return counts by kit id, including those of no kit and of the kits on other pages."""
    since = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=LEDGER_HOURS - 1)
    parameters = {**visible, "kit_ids": kit_ids, "since": since}
    counts: dict[int, LedgerCounts] = defaultdict(LedgerCounts)
    for row in (await connection.execute(LEDGER_SUMS, parameters)).mappings():
        figures = {name: value for name, value in row.items() if name != "line"}
        counts[row["line"]] = LedgerCounts(**figures)
    for row in (await connection.execute(LEDGER_REASONS, parameters)).mappings():
        counts[row["line"]].reasons[row["outcome"], row["reason"]] += row["count"]
    return counts


@dataclass(frozen=True, slots=True)
class _NewestOfKits:
    """The newest readings of each series, by kit: those that are plausible, and those that are not."""

    plausible: dict[int, Newest] = field(default_factory=lambda: defaultdict(dict))
    implausible: dict[int, Newest] = field(default_factory=lambda: defaultdict(dict))

    def update(self, others: _NewestOfKits) -> None:
        self.plausible.update(others.plausible)
        self.implausible.update(others.implausible)


async def _read_newest(
    connection: AsyncConnection, kit_ids: list[int], since: datetime, now: datetime, readings: int
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
            course=_course(memory.courses.get(key), last, now),
            trouble=None if wrong is None else troubles.get((wrong.peripheral_id, key)),
        )


async def _read_courses(connection: AsyncConnection, kit_ids: list[int], now: datetime) -> dict[int, Courses]:
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


def _kit_status(
    kit: Mapping[Any, Any],
    counts: LedgerCounts,
    series: Iterable[StatusSeries],
    presence: PresenceRecord,
    picture: Picture | None,
) -> KitStatus:
    return KitStatus(
        id=kit["id"],
        serial=kit["serial"],
        name=kit["name"],
        is_public=kit["is_public"],
        presence=presence.judgement,
        own_word=presence.own_word,
        is_shared=presence.is_shared,
        series=tuple(series),
        counts=counts,
        reasons=explained(counts),
        picture=picture,
    )
