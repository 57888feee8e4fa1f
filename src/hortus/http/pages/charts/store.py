"""Reading what a chart page shows, by the access rules of the API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from hortus.base.database.prepared import Row
from hortus.base.language.translation import gettext
from hortus.domain.plants.bands import TargetBand, bands_of_series
from hortus.domain.series.catching_up import CatchingUp, is_far_behind
from hortus.domain.series.chart_store import Points, charts
from hortus.domain.series.charts import EARLIEST, EPOCH, Span, finest_rolled_up
from hortus.domain.series.extent import Neighbours, earliest_hour, neighbours
from hortus.domain.series.gaps import coverage, gap_seconds, gaps_of, usual_interval_seconds
from hortus.domain.series.intervals import longest_intervals
from hortus.domain.series.listing import ListedSeries, list_series
from hortus.domain.series.rollups import HoursToRollUp
from hortus.domain.series.store import Series, ensure_series_of_kit, find_several_series, series_are_missing
from hortus.http.access.viewer import Viewer
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

    `coverage` is the share of the range, as far as it has begun, that lies in no gap.
    """

    series: Series
    points: Points
    gap_seconds: float
    gaps: list[Span]
    coverage: float
    before: Points | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """The points of several series of a kit within one range of time."""

    span: Span
    now: datetime
    zone: tzinfo
    series: list[DrawnSeries]
    bands: list[TargetBand]
    nights: list[Span]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartPage:
    """A drawing with what is around it: the kit and all of its series.

    `neighbours` has the readings next to the range for series without any in it.
    """

    kit: OpenedKit
    listed: Sequence[ListedSeries]
    drawing: Drawing
    neighbours: dict[int, Neighbours]
    with_target: frozenset[int]


class ChartReader:
    """Reads charts. `clock` returns the current time; without `rollups`, a backlog is read as it is."""

    def __init__(
        self, engine: AsyncEngine, clock: Callable[[], datetime], rollups: CatchingUp | None = None
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._rollups = rollups

    async def zone(self, viewer: Viewer, serial: str) -> tzinfo:
        """Return the time zone of the kit. Raises NoSuchKit."""
        async with snapshot(self._engine) as connection:
            return (await open_kit(connection, viewer, serial)).zone

    async def drawing(self, viewer: Viewer, serial: str, view: ChartView) -> Drawing:
        """Return the points of the view's series.

        Raises NoSuchKit, NoSuchSeries, OutOfTime, StillRollingUp or DatabaseNotAnswering.
        """
        now = self._clock()
        async with self._caught_up(viewer, serial, view, now) as (connection, kit):
            found = await find_several_series(connection, kit.id, view.series)
            missing = [id_ for id_ in view.series if id_ not in found]
            if missing:
                raise NoSuchSeries(missing[0])
            series = [found[id_] for id_ in view.series]
            return await _draw(connection, kit, series, view, now)

    async def page(
        self, viewer: Viewer, serial: str, view: ChartView, chosen: Callable[..., list[int]]
    ) -> ChartPage:
        """Return the whole page; `chosen` returns the series to draw, by all series and those with a target.

        Raises NoSuchKit, OutOfTime, StillRollingUp or DatabaseNotAnswering.
        """
        now = self._clock()
        await self._make_series(viewer, serial)
        async with self._caught_up(viewer, serial, view, now) as (connection, kit):
            listed = await list_series(connection, kit.id, now)
            every = await find_several_series(connection, kit.id, [each.id for each in listed])
            targets = await bands_of_series(connection, kit.id, list(every.values()))
            with_target = frozenset(band.series_id for band in targets)
            series = [every[id_] for id_ in chosen(listed, with_target) if id_ in every]
            drawing = await _draw(connection, kit, series, view, now)
            around = {
                each.series.id: await neighbours(connection, each.series, drawing.span, now)
                for each in drawing.series
                if not each.points.time_ms
            }
        return ChartPage(kit=kit, listed=listed, drawing=drawing, neighbours=around, with_target=with_target)

    async def _make_series(self, viewer: Viewer, serial: str) -> None:
        async with snapshot(self._engine) as connection:
            kit = await open_kit(connection, viewer, serial)
            are_missing = await series_are_missing(connection, kit.id)
        if are_missing:
            async with change(self._engine) as writing:
                await ensure_series_of_kit(writing, kit.id)

    @asynccontextmanager
    async def _caught_up(
        self, viewer: Viewer, serial: str, view: ChartView, now: datetime
    ) -> AsyncIterator[tuple[AsyncConnection, OpenedKit]]:
        """Yield a snapshot in which few hours of the view's range have to be read from readings."""
        async with snapshot(self._engine) as connection:
            kit = await open_kit(connection, viewer, serial)
            backlog = await _backlog(connection, kit, view, now)
            if self._rollups is None or not await is_far_behind(connection, backlog):
                yield connection, kit
                return
        with database_failures_translated():
            await self._rollups.catch_up(backlog)
        async with snapshot(self._engine) as connection:
            yield connection, await open_kit(connection, viewer, serial)


async def _backlog(
    connection: AsyncConnection, kit: OpenedKit, view: ChartView, now: datetime
) -> HoursToRollUp:
    known = await find_several_series(connection, kit.id, view.series)
    span = await _span(connection, list(known.values()), view, now)
    if view.versus:
        span = Span(span.start - COMPARISONS[view.versus], span.end)
    whole = finest_rolled_up(span, view.points).covering(span)
    this_hour = now - (now - EPOCH) % timedelta(hours=1)
    return HoursToRollUp(kit_id=kit.id, start=whole.start, end=min(whole.end, this_hour))


async def _span(connection: AsyncConnection, series: Sequence[Series], view: ChartView, now: datetime) -> Span:
    earliest = await earliest_hour(connection, series) if view.range == "all" and view.follows else None
    span = view.span(now, earliest).within_reason(now)
    if span.seconds <= 0:
        raise OutOfTime
    return span


async def _draw(
    connection: AsyncConnection, kit: OpenedKit, series: Sequence[Series], view: ChartView, now: datetime
) -> Drawing:
    span = await _span(connection, series, view, now)
    found = await charts(connection, series, span, view.points)
    before = await _compared(connection, series, span, view)
    names = {each.peripheral_name for each in series}
    intervals = await longest_intervals(connection, kit.id, names, span)
    begun = Span(span.start, max(span.start, min(span.end, now)))
    return Drawing(
        span=span,
        now=now,
        zone=kit.zone,
        series=[
            _drawn(each, points, earlier, intervals.get(each.peripheral_name), begun)
            for each, points, earlier in zip(series, found, before, strict=True)
        ],
        bands=await bands_of_series(connection, kit.id, series),
        nights=_nights(kit.row, span),
    )


def _nights(kit: Row, span: Span) -> list[Span]:
    """Return the nights where the kit stands, by whole degrees: times must not tell its exact place."""
    latitude, longitude = kit["latitude"], kit["longitude"]
    if latitude is None or longitude is None:
        return []
    return nights_within(round(latitude), round(longitude), span)


async def _compared(
    connection: AsyncConnection, series: Sequence[Series], span: Span, view: ChartView
) -> Sequence[Points | None]:
    if not view.versus:
        return [None] * len(series)
    shift = COMPARISONS[view.versus]
    return await charts(connection, series, Span(span.start - shift, span.end - shift), view.points)


def _drawn(
    series: Series, points: Points, before: Points | None, interval_seconds: float | None, begun: Span
) -> DrawnSeries:
    longest = gap_seconds(points.width_seconds, interval_seconds or usual_interval_seconds(points))
    gaps = gaps_of(points, longest, begun)
    return DrawnSeries(
        series=series,
        points=points,
        gap_seconds=longest,
        gaps=gaps,
        coverage=coverage(gaps, begun),
        before=before,
    )
