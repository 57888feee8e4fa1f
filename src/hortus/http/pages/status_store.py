"""Reading pages of kits from the database, with a fixed number of statements for any number of kits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from hortus.domain.ledger.store import LedgerCounts
from hortus.domain.presence.judgement import PresenceState
from hortus.domain.presence.store import PresenceRecord, read_presences
from hortus.http.access.viewer import Viewer, visibility_parameters
from hortus.http.pages.status import KitStatus, Picture, StatusPage, StatusSeries, explained, summed
from hortus.http.pages.status_series import SeriesReader
from hortus.http.pages.status_statements import (
    ALL_KITS,
    KITS_OF_PAGE,
    LAST_STORED,
    LEDGER_REASONS,
    LEDGER_SUMS,
    NEWEST_PICTURES,
    NUMBER_OF_KITS,
)
from hortus.http.server.database_access import DatabaseDamaged, snapshot

# Pages are rendered in the event loop that also stores readings: 24 kits take it some 20 ms.
KITS_PER_PAGE = 12
LEDGER_HOURS = 24

_MOST_PRESENCES = 1000
"""Of so many kits it is looked up whether they are silent, to put these first."""

_NO_KIT = 0


class StatusReader:
    """Reads pages of kits. `clock` returns the current time as an aware datetime."""

    def __init__(self, engine: AsyncEngine, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._clock = clock
        self._series = SeriesReader()

    async def count(self, viewer: Viewer) -> int:
        """Return how many kits the viewer may see. Raises DatabaseNotAnswering."""
        async with snapshot(self._engine) as connection:
            return int((await connection.execute(NUMBER_OF_KITS, visibility_parameters(viewer))).scalar_one())

    async def read(
        self, viewer: Viewer, page: int, page_size: int = KITS_PER_PAGE, *, with_courses: bool = True
    ) -> StatusPage:
        """Return a page of the kits that the viewer may see: those with trouble first, then by name.

        Pages count from 1; beyond the last, the last. Raises DatabaseNotAnswering.
        """
        async with snapshot(self._engine) as connection:
            kit_ids = await _ordered(connection, viewer, self._clock())
        pages = max(1, -(-len(kit_ids) // page_size))
        page = min(page, pages)
        shown = kit_ids[(page - 1) * page_size : page * page_size]
        return await self.read_again(viewer, shown, page, pages, with_courses=with_courses)

    async def read_again(
        self,
        viewer: Viewer,
        kit_ids: Sequence[int],
        page: int = 1,
        pages: int = 1,
        *,
        with_courses: bool = True,
    ) -> StatusPage:
        """Return a page of these kits, in this order, without those that the viewer may not see.

        Everything on it comes from one snapshot of committed data (P7), unless some of it is damaged: then what
        there is. Raises DatabaseNotAnswering.
        """
        try:
            return await self._read(viewer, kit_ids, page, pages, with_courses=with_courses)
        except DatabaseDamaged:
            return await self._read(viewer, kit_ids, page, pages, with_courses=with_courses, apart=True)

    async def _read(
        self,
        viewer: Viewer,
        wanted: Sequence[int],
        page: int,
        pages: int,
        *,
        with_courses: bool,
        apart: bool = False,
    ) -> StatusPage:
        now = self._clock()
        visible = visibility_parameters(viewer)
        async with snapshot(self._engine) as connection:
            number = (await connection.execute(NUMBER_OF_KITS, visible)).scalar_one()
            found = await connection.execute(KITS_OF_PAGE, {**visible, "kit_ids": list(wanted)})
            kits = found.mappings().all()
            kit_ids = [kit["id"] for kit in kits]
            last_stored_at = (await connection.execute(LAST_STORED, visible)).scalar_one()
            counts = await _read_ledger(connection, visible, kit_ids, now)
            pictures = await _read_pictures(connection, kit_ids, now)
            presences = await read_presences(connection, now, kit_ids)
            series: Mapping[int, tuple[StatusSeries, ...]] = {}
            if not apart:
                series = await self._series.read(connection, kit_ids, now, with_courses=with_courses)
        if apart:
            series = await self._read_apart(kit_ids, now, with_courses=with_courses)
        return StatusPage(
            now=now,
            page=page,
            pages=pages,
            kits_in_total=number,
            kits=tuple(
                _kit_status(
                    kit,
                    counts[kit["id"]],
                    series.get(kit["id"]),
                    presences[kit["id"]],
                    pictures.get(kit["id"]),
                )
                for kit in kits
            ),
            last_stored_at=last_stored_at,
            totals=summed(list(counts.values())),
            unassigned=counts[_NO_KIT] if viewer.is_admin else None,
            unassigned_reasons=explained(counts[_NO_KIT]) if viewer.is_admin else (),
        )

    async def _read_apart(
        self, kit_ids: Sequence[int], now: datetime, *, with_courses: bool
    ) -> dict[int, tuple[StatusSeries, ...]]:
        """Return the series of those kits whose rows can be read: one damaged page harms no other kit (P4)."""
        series: dict[int, tuple[StatusSeries, ...]] = {}
        for kit_id in kit_ids:
            try:
                async with snapshot(self._engine) as connection:
                    series |= await self._series.read(connection, [kit_id], now, with_courses=with_courses)
            except DatabaseDamaged:
                continue
        return series


async def _ordered(connection: AsyncConnection, viewer: Viewer, now: datetime) -> list[int]:
    rows = (await connection.execute(ALL_KITS, visibility_parameters(viewer))).all()
    presences = await read_presences(connection, now, [row.id for row in rows[:_MOST_PRESENCES]])
    silent = {
        kit_id for kit_id, presence in presences.items() if presence.judgement.state is PresenceState.OFFLINE
    }
    return [row.id for row in sorted(rows, key=lambda row: not (row.is_alerted or row.id in silent))]


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


def _kit_status(
    kit: Mapping[Any, Any],
    counts: LedgerCounts,
    series: tuple[StatusSeries, ...] | None,
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
        series=series,
        counts=counts,
        reasons=explained(counts),
        picture=picture,
        is_viewers=kit["is_viewers"],
        is_nobodys=kit["is_nobodys"],
        has_silence_alert=kit["has_silence_alert"],
    )
