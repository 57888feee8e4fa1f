"""Reading what a chart page shows, by the access rules of the API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from hortus.base.database.prepared import Row
from hortus.base.language.translation import gettext
from hortus.domain.plants.bands import TargetBand, bands_of_series, series_with_target
from hortus.domain.series.catching_up import CatchingUp, is_far_behind
from hortus.domain.series.chart_store import Points, charts
from hortus.domain.series.charts import EARLIEST, EPOCH, Span, finest_rolled_up
from hortus.domain.series.extent import Neighbours, earliest_hour, neighbours
from hortus.domain.series.gaps import coverage, gap_seconds, gaps_of, usual_interval_seconds
from hortus.domain.series.intervals import longest_intervals
from hortus.domain.series.listing import ListedSeries, list_series
from hortus.domain.series.rollups import HoursToRollUp
from hortus.domain.series.same_clock import moved_to, span_before
from hortus.domain.series.store import Series, ensure_series_of_kit, find_several_series, series_are_missing
from hortus.http.access.viewer import Viewer
from hortus.http.pages.charts.marks import Marks, read_marks
from hortus.http.pages.charts.nights import nights_within
from hortus.http.pages.charts.view import COMPARISONS, ChartView
from hortus.http.pages.kits.opened import OpenedKit, open_kit
from hortus.http.server.database_access import change, database_failures_translated, snapshot


class NoSuchSeries(LookupError):
    """The kit has no series with this id."""

    def __init__(self, series_id: int) -> None:
        super().__init__(gettext("This kit has no series %(number)s.", number=series_id))


class OutOfTime(ValueError):
    """A range in which there cannot be any readings."""

    def __init__(self) -> None:
        super().__init__(
            gettext(
                "There are no readings in this range: it lies before %(year)s or in the future.",
                year=EARLIEST.year,
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnSeries:
    """A series with its points and gaps. `before` are the points of the comparison, at the times of this range.

    `kit_name` is empty where all series are of one kit. `coverage` is the share of the range, as far as it has
    begun, that lies in no gap.
    """

    series: Series
    points: Points
    gap_seconds: float
    gaps: list[Span]
    coverage: float
    before: Points | None = None
    serial: str = ""
    kit_name: str = ""

    @property
    def sensor(self) -> str:
        """The name of the peripheral, after that of the kit where there are several."""
        name = self.series.peripheral_name
        return f"{self.kit_name} · {name}" if self.kit_name else name


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """The points of several series within one range of time."""

    span: Span
    now: datetime
    zone: ZoneInfo
    series: list[DrawnSeries]
    bands: list[TargetBand]
    nights: list[Span]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartPage:
    """A drawing with what is around it: the kits that are shown and all of their series.

    `kit_of` has the kit of each series by its id, `neighbours` what is next to the range for series without any
    reading in it.
    """

    kits: Sequence[OpenedKit]
    kit_of: dict[int, OpenedKit]
    listed: Sequence[ListedSeries]
    drawing: Drawing
    neighbours: dict[int, Neighbours]
    with_target: frozenset[int]
    marks: Marks | None

    @property
    def kit(self) -> OpenedKit:
        """The first kit, on a kit's own page the only one."""
        return self.kits[0]


class ChartReader:
    """Reads charts. `clock` returns the current time; without `rollups`, a backlog is read as it is."""

    def __init__(
        self, engine: AsyncEngine, clock: Callable[[], datetime], rollups: CatchingUp | None = None
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._rollups = rollups

    async def zone(self, viewer: Viewer, serial: str) -> ZoneInfo:
        """Return the time zone of the kit. Raises NoSuchKit."""
        async with snapshot(self._engine) as connection:
            return (await open_kit(connection, viewer, serial)).zone

    async def drawing(self, viewer: Viewer, serials: Sequence[str], view: ChartView, zone: ZoneInfo) -> Drawing:
        """Return the points of the view's series, which belong to these kits.

        Raises NoSuchKit, NoSuchSeries, OutOfTime, StillRollingUp or DatabaseNotAnswering.
        """
        now = self._clock()
        async with self._caught_up(viewer, serials, view, now, zone) as (connection, kits):
            found: dict[int, Series] = {}
            for kit in kits:
                found |= await find_several_series(connection, kit.id, _of_kit(view, kit))
            missing = [id_ for id_ in view.series if id_ not in found]
            if missing:
                raise NoSuchSeries(missing[0])
            return await _draw(connection, kits, [found[id_] for id_ in view.series], view, now, zone)

    async def page(
        self,
        viewer: Viewer,
        serials: Sequence[str],
        view: ChartView,
        zone: ZoneInfo,
        chosen: Callable[..., list[int]],
    ) -> ChartPage:
        """Return the whole page; `chosen` returns the series to draw, by all series and those with a target.

        Raises NoSuchKit, OutOfTime, StillRollingUp or DatabaseNotAnswering.
        """
        now = self._clock()
        for serial in serials:
            await self._make_series(viewer, serial)
        async with self._caught_up(viewer, serials, view, now, zone) as (connection, kits):
            listed: list[ListedSeries] = []
            every: dict[int, Series] = {}
            with_target: frozenset[int] = frozenset()
            for kit in kits:
                of_kit = await list_series(connection, kit.id, now)
                known = await find_several_series(connection, kit.id, [each.id for each in of_kit])
                with_target |= await series_with_target(connection, kit.id, list(known.values()))
                listed += of_kit
                every |= known
            series = [every[id_] for id_ in chosen(listed, with_target) if id_ in every]
            drawing = await _draw(connection, kits, series, view, now, zone)
            around = {
                each.series.id: await neighbours(connection, each.series, drawing.span, now)
                for each in drawing.series
                if not each.points.time_ms
            }
            # Marks belong to one kit.
            marks = None
            if not view.is_of_all:
                marks = await read_marks(connection, kits[0], drawing.span, view.marks)
        return ChartPage(
            kits=kits,
            kit_of={id_: next(kit for kit in kits if kit.id == each.kit_id) for id_, each in every.items()},
            listed=listed,
            drawing=drawing,
            neighbours=around,
            with_target=with_target,
            marks=marks,
        )

    async def _make_series(self, viewer: Viewer, serial: str) -> None:
        async with snapshot(self._engine) as connection:
            kit = await open_kit(connection, viewer, serial)
            are_missing = await series_are_missing(connection, kit.id)
        if are_missing:
            async with change(self._engine) as writing:
                await ensure_series_of_kit(writing, kit.id)

    @asynccontextmanager
    async def _caught_up(
        self, viewer: Viewer, serials: Sequence[str], view: ChartView, now: datetime, zone: ZoneInfo
    ) -> AsyncIterator[tuple[AsyncConnection, list[OpenedKit]]]:
        """Yield a snapshot in which few hours of the view's range have to be read from readings."""
        async with snapshot(self._engine) as connection:
            kits = [await open_kit(connection, viewer, serial) for serial in serials]
            backlogs = [await _backlog(connection, kit, view, now, zone) for kit in kits]
            far = [each for each in backlogs if self._rollups and await is_far_behind(connection, each)]
            if self._rollups is None or not far:
                yield connection, kits
                return
        with database_failures_translated():
            for backlog in far:
                await self._rollups.catch_up(backlog)
        async with snapshot(self._engine) as connection:
            yield connection, [await open_kit(connection, viewer, serial) for serial in serials]


def _of_kit(view: ChartView, kit: OpenedKit) -> list[int]:
    """Return the ids that the address gives as those of this kit."""
    if not view.is_of_all:
        return list(view.series)
    return [id_ for serial, id_ in zip(view.kits, view.series, strict=True) if serial == kit.serial]


async def _backlog(
    connection: AsyncConnection, kit: OpenedKit, view: ChartView, now: datetime, zone: ZoneInfo
) -> HoursToRollUp:
    known = await find_several_series(connection, kit.id, view.series)
    span = await _span(connection, list(known.values()), view, now, zone)
    if view.versus:
        span = Span(span_before(span, COMPARISONS[view.versus], zone).start, span.end)
    whole = finest_rolled_up(span, view.points, zone).covering(span)
    this_hour = now - (now - EPOCH) % timedelta(hours=1)
    # A local day may begin within an hour.
    return HoursToRollUp(kit_id=kit.id, start=whole.widened(3600).start, end=min(whole.end, this_hour))


async def _span(
    connection: AsyncConnection, series: Sequence[Series], view: ChartView, now: datetime, zone: ZoneInfo
) -> Span:
    earliest = None
    if view.range == "all" and view.follows:
        kits = {each.kit_id for each in series}
        found = [
            await earliest_hour(connection, [each for each in series if each.kit_id == kit]) for kit in kits
        ]
        earliest = min((each for each in found if each is not None), default=None)
    span = view.span(now, earliest, zone).within_reason(now)
    if span.seconds <= 0:
        raise OutOfTime
    return span


async def _draw(
    connection: AsyncConnection,
    kits: Sequence[OpenedKit],
    series: Sequence[Series],
    view: ChartView,
    now: datetime,
    zone: ZoneInfo,
) -> Drawing:
    span = await _span(connection, series, view, now, zone)
    drawn: dict[int, DrawnSeries] = {}
    bands: list[TargetBand] = []
    for kit in kits:
        of_kit = [each for each in series if each.kit_id == kit.id]
        drawn |= await _draw_kit(connection, kit, of_kit, span, view, now, zone)
        bands += await bands_of_series(connection, kit.id, of_kit, span)
    return Drawing(
        span=span,
        now=now,
        zone=zone,
        series=[drawn[each.id] for each in series],
        bands=bands,
        nights=_nights(kits[0].row, span) if len(kits) == 1 else [],
    )


async def _draw_kit(
    connection: AsyncConnection,
    kit: OpenedKit,
    series: Sequence[Series],
    span: Span,
    view: ChartView,
    now: datetime,
    zone: ZoneInfo,
) -> dict[int, DrawnSeries]:
    found = await charts(connection, series, span, view.points, zone)
    before = await _compared(connection, series, span, view, zone)
    kit_name = kit.name if view.is_of_all else ""
    names = {each.peripheral_name for each in series}
    intervals = await longest_intervals(connection, kit.id, names, span)
    begun = Span(span.start, max(span.start, min(span.end, now)))
    return {
        each.id: replace(
            _drawn(each, points, earlier, intervals.get(each.peripheral_name), begun),
            serial=kit.serial,
            kit_name=kit_name,
        )
        for each, points, earlier in zip(series, found, before, strict=True)
    }


def _nights(kit: Row, span: Span) -> list[Span]:
    """Return the nights where the kit stands, by whole degrees: times must not tell its exact place."""
    latitude, longitude = kit["latitude"], kit["longitude"]
    if latitude is None or longitude is None:
        return []
    return nights_within(round(latitude), round(longitude), span)


async def _compared(
    connection: AsyncConnection, series: Sequence[Series], span: Span, view: ChartView, zone: ZoneInfo
) -> Sequence[Points | None]:
    if not view.versus:
        return [None] * len(series)
    days = COMPARISONS[view.versus]
    earlier = span_before(span, days, zone)
    found = await charts(connection, series, earlier, view.points, zone)
    return [moved_to(span, each, days, zone) for each in found]


def _drawn(
    series: Series,
    points: Points,
    before: Points | None,
    interval_seconds: float | None,
    begun: Span,
) -> DrawnSeries:
    longest = gap_seconds(points.longest_seconds, interval_seconds or usual_interval_seconds(points))
    gaps = gaps_of(points, longest, begun)
    return DrawnSeries(
        series=series,
        points=points,
        gap_seconds=longest,
        gaps=gaps,
        coverage=coverage(gaps, begun),
        before=before,
    )
