"""Days of charts are those of the kit's time zone, whatever its clocks do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import asyncpg
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from series_nursery import START, Nursery, Reading, implausible_ids, make_nursery
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.base.database.engine import open_engine
from hortus.base.database.partitions import Month, ensure_partitions
from hortus.base.database.url import DatabaseUrl
from hortus.base.time_zones import day_start, day_starts
from hortus.domain.series import chart_store
from hortus.domain.series.chart_store import Points, bucketed
from hortus.domain.series.charts import ChartSource, Span, finest_rolled_up
from hortus.domain.series.gaps import gap_seconds, gaps_of
from hortus.domain.series.rollups import roll_up
from hortus.domain.series.store import find_series, series_of

TEMPERATURE = 1
HOUR = timedelta(hours=1)
LATER = START + timedelta(days=400)

ZONES = {
    "Europe/Amsterdam": [date(2026, 3, 29), date(2026, 10, 25)],
    "America/New_York": [date(2026, 3, 8), date(2026, 11, 1)],
    "America/St_Johns": [date(2026, 3, 8), date(2026, 11, 1)],
    "Australia/Lord_Howe": [date(2026, 4, 5), date(2026, 10, 4)],
    "Australia/Adelaide": [date(2026, 4, 5), date(2026, 10, 4)],
    "Antarctica/Troll": [date(2026, 3, 29), date(2026, 10, 25)],
    "Asia/Kolkata": [date(2026, 6, 1)],
    "Asia/Kathmandu": [date(2026, 6, 1)],
    "Pacific/Chatham": [date(2026, 4, 5), date(2026, 9, 27)],
    "America/Santiago": [date(2026, 4, 5), date(2026, 9, 6)],
    "UTC": [date(2026, 6, 1)],
}
"""Some days on which clocks change, or where they never do, any day."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nursery(module_database_url: str) -> Nursery:
    made = await make_nursery(module_database_url)
    connection = await made.connect()
    await ensure_partitions(connection, [Month(2026, month) for month in range(2, 13)])
    await connection.close()
    return made


@pytest.fixture
async def connection(nursery: Nursery) -> AsyncIterator[asyncpg.Connection]:
    opened = await nursery.connect()
    await nursery.forget(opened)
    yield opened
    await opened.close()


@pytest.fixture
async def engine(nursery: Nursery) -> AsyncIterator[AsyncEngine]:
    async with open_engine(DatabaseUrl.parse(nursery.url)) as opened:
        yield opened


def at(moment: datetime, value: float, peripheral: int = 0, **further: bytes) -> Reading:
    offset_ms = (moment - START) // timedelta(milliseconds=1)
    return Reading(offset_ms=offset_ms, value=value, peripheral=peripheral, **further)


async def in_days(nursery: Nursery, engine: AsyncEngine, span: Span, zone: ZoneInfo, most: int) -> Points:
    """Return at most so many days, however few readings there are."""
    buckets = finest_rolled_up(span, most, zone)
    assert buckets.source is ChartSource.DAY
    async with engine.begin() as connection:
        number = await series_of(connection, nursery.kit.id, nursery.peripherals[0].name, TEMPERATURE)
        series = await find_series(connection, nursery.kit.id, number)
        assert series is not None
        return (await bucketed(connection, [series], span, buckets))[number]


def plain_days(readings: list[Reading], zone: ZoneInfo, points: Points) -> dict[str, list[float]]:
    """Return the figures by the date on a calendar in the zone: nothing but `astimezone` and a loop."""
    wrong = implausible_ids(readings)
    days: dict[date, list[float]] = {}
    for reading in sorted(readings, key=lambda each: each.at):
        if reading.id not in wrong and points.span.start <= reading.at < points.span.end:
            days.setdefault(reading.at.astimezone(zone).date(), []).append(reading.value)
    return {
        "day": list(days),
        "mean": [sum(values) / len(values) for values in days.values()],
        "minimum": [min(values) for values in days.values()],
        "maximum": [max(values) for values in days.values()],
        "count": [len(values) for values in days.values()],
    }


def days_of(points: Points, zone: ZoneInfo) -> dict[str, list[float]]:
    def local(ms: int) -> datetime:
        return datetime.fromtimestamp(ms / 1000, UTC).astimezone(zone)

    for start, end in zip(points.time_ms, points.ends, strict=True):
        assert datetime.fromtimestamp(start / 1000, UTC) == day_start(local(start).date(), zone)
        assert datetime.fromtimestamp(end / 1000, UTC) == day_start(
            local(start).date() + timedelta(days=1), zone
        )
    return {
        "day": [local(start).date() for start in points.time_ms],
        "mean": points.mean,
        "minimum": points.minimum or [],
        "maximum": points.maximum or [],
        "count": list(points.count or []),
    }


@st.composite
def garden_days(draw: st.DrawFn) -> tuple[ZoneInfo, date, list[Reading], list[Reading]]:
    """A zone, a day on which its clocks may change, and readings around it, some of them late."""
    name = draw(st.sampled_from(sorted(ZONES)))
    changing = draw(st.sampled_from(ZONES[name]))
    zone = ZoneInfo(name)
    first = day_start(changing - timedelta(days=2), zone)
    near_midnights = st.tuples(st.integers(0, 5), st.integers(-8, 8)).map(
        lambda drawn: (
            day_start(changing + timedelta(days=drawn[0] - 2), zone) + drawn[1] * timedelta(minutes=15)
        )
    )
    anywhere = st.integers(0, 5 * 96).map(lambda quarters: first + quarters * timedelta(minutes=15))
    readings = st.builds(
        at,
        near_midnights | anywhere,
        # Sometimes an error value, or what decides about one.
        st.integers(-80, 160).map(lambda number: number / 4) | st.sampled_from([40.0, 45.0, -20.0, 7.5]),
        st.sampled_from([0, 3]),
        id=st.uuids().map(lambda identifier: identifier.bytes),
    )
    return zone, changing, draw(st.lists(readings, max_size=40)), draw(st.lists(readings, max_size=5))


@given(drawn=garden_days(), is_rolled_up=st.booleans())
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_days_are_those_of_the_calendar_of_the_zone(
    nursery: Nursery,
    engine: AsyncEngine,
    drawn: tuple[ZoneInfo, date, list[Reading], list[Reading]],
    is_rolled_up: bool,
) -> None:
    zone, changing, early, late = drawn
    # Longer than hours can show with so few points, so that days are chosen.
    span = Span(
        day_start(changing - timedelta(days=2), zone) + HOUR, day_start(changing + timedelta(days=3), zone)
    )
    connection = await nursery.connect()
    try:
        await nursery.forget(connection)
        await nursery.store(connection, early)
        if is_rolled_up:
            await roll_up(connection, LATER)
        await nursery.store(connection, late)
        points = await in_days(nursery, engine, span, zone, 6)
    finally:
        await connection.close()
    assert days_of(points, zone) == plain_days([*early, *late], zone, points)


@pytest.mark.parametrize("name", ZONES)
def test_a_year_of_days_has_every_day_once(name):
    zone = ZoneInfo(name)
    span = Span(datetime(2026, 1, 1, 15, tzinfo=UTC), datetime(2026, 12, 31, 15, tzinfo=UTC))
    buckets = finest_rolled_up(span, 400, zone)
    whole = buckets.covering(span)
    edges = list(buckets.edges_in(whole))
    assert edges == list(day_starts(span.start, span.end, zone))
    assert whole.start <= span.start < span.end <= whole.end
    assert buckets.width_seconds == 86_400
    lengths = {(end - start) / HOUR for start, end in pairwise(edges)}
    changes = {"Australia/Lord_Howe": {23.5, 24, 24.5}, "Antarctica/Troll": {22, 24, 26}}
    still = {24} if name in {"UTC", "Asia/Kolkata", "Asia/Kathmandu"} else {23, 24, 25}
    assert lengths == changes.get(name, still)


@pytest.mark.parametrize("points", [1, 2, 3, 10, 100])
@pytest.mark.parametrize("name", ZONES)
def test_there_are_never_more_buckets_than_asked_for(name, points):
    zone = ZoneInfo(name)
    for days in (1, 3, 30, 400, 5000):
        end = datetime(2026, 11, 3, 9, 30, tzinfo=UTC)
        span = Span(end - timedelta(days=days), end)
        buckets = finest_rolled_up(span, points, zone)
        whole = buckets.covering(span)
        assert len(buckets.edges_in(whole)) - 1 <= points
        assert whole.start <= span.start < span.end <= whole.end


async def test_the_long_day_is_no_gap_and_a_missing_one_is(nursery, engine, connection):
    zone = ZoneInfo("Europe/Amsterdam")
    first = day_start(date(2026, 10, 23), zone)
    missing = day_start(date(2026, 10, 27), zone)
    hours = [first + each * HOUR for each in range(24 * 7)]
    await nursery.store(
        connection, [at(each, 20.0) for each in hours if not missing <= each < missing + 24 * HOUR]
    )
    await roll_up(connection, LATER)
    span = Span(first, day_start(date(2026, 10, 30), zone))
    points = await in_days(nursery, engine, span, zone, 7)
    lengths = [(end - start) / 3_600_000 for start, end in zip(points.time_ms, points.ends, strict=True)]
    assert lengths == [24, 24, 25, 24, 24, 24]
    longest = gap_seconds(points.longest_seconds, 300)
    assert longest == 25 * 3600
    assert gaps_of(points, longest, span) == [Span(missing, missing + 24 * HOUR)]


async def test_where_it_would_take_long_the_hour_around_midnight_belongs_to_the_day_in_which_it_begins(
    nursery, engine, connection, monkeypatch
):
    zone = ZoneInfo("Asia/Kolkata")
    midnight = day_start(date(2026, 6, 2), zone)
    await nursery.store(
        connection, [at(midnight - timedelta(minutes=10), 10.0), at(midnight + timedelta(minutes=10), 30.0)]
    )
    await roll_up(connection, LATER)
    span = Span(midnight - 24 * HOUR, midnight + 24 * HOUR)
    counts = []
    for most in (chart_store.MOST_READ, 0):
        monkeypatch.setattr(chart_store, "MOST_READ", most)
        points = await in_days(nursery, engine, span, zone, 2)
        counts.append((points.count, points.mean))
    assert counts == [([1, 1], [10.0, 30.0]), ([2], [20.0])]


async def test_jobs_at_work_change_no_local_day(nursery, engine, connection):
    zone = ZoneInfo("Asia/Kathmandu")
    first = day_start(date(2026, 6, 1), zone)
    readings = [at(first + each * timedelta(minutes=7), each % 50) for each in range(1000)]
    span = Span(first, first + timedelta(days=5))
    other = await nursery.connect()
    try:
        await nursery.store(connection, readings)

        async def ask() -> Points:
            return await in_days(nursery, engine, span, zone, 5)

        _, *answers = await asyncio.gather(roll_up(other, LATER), ask(), ask())
        for points in answers:
            assert days_of(points, zone) == plain_days(readings, zone, points)
    finally:
        await other.close()
