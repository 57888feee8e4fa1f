"""A day is compared with another one by what the clocks show."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hortus.base.time_zones import day_start
from hortus.domain.series.chart_store import Points
from hortus.domain.series.charts import EPOCH, ChartSource, Span
from hortus.domain.series.same_clock import at_same_clock, moved_to, span_before

QUARTER = timedelta(minutes=15)
NAMES = (
    *("Europe/Amsterdam", "America/New_York", "America/St_Johns", "Australia/Lord_Howe", "Antarctica/Troll"),
    *("Asia/Kolkata", "Pacific/Chatham", "America/Santiago", "UTC"),
)
zones = st.sampled_from(NAMES).map(ZoneInfo)
days_of_2026 = st.dates(date(2026, 1, 15), date(2026, 12, 20)) | st.sampled_from(
    [
        date(2026, 3, 29),
        date(2026, 10, 25),
        date(2026, 3, 8),
        date(2026, 11, 1),
        date(2026, 4, 5),
        date(2026, 10, 4),
    ]
)


def ms(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(milliseconds=1)


def quarters(span: Span) -> list[datetime]:
    return [span.start + i * QUARTER for i in range(-(-(span.end - span.start) // QUARTER))]


def points(moments: list[datetime], values: list[float], width_seconds: int | None = None, **columns) -> Points:
    return Points(
        source=ChartSource.RAW,
        width_seconds=width_seconds,
        span=Span(moments[0], moments[-1]),
        time_ms=[ms(each) for each in moments],
        mean=values,
        **columns,
    )


def first_time_of(wall: datetime, zone: ZoneInfo) -> datetime | None:
    """Return when clocks first showed this time; None if they skipped it."""
    moment = wall.replace(tzinfo=zone).astimezone(UTC)
    return moment if moment.astimezone(zone).replace(tzinfo=None) == wall else None


@given(zone=zones, day=days_of_2026, days=st.sampled_from([1, 7]), length=st.integers(1, 3))
def test_each_moment_shows_what_was_when_clocks_showed_the_same(zone, day, days, length):
    span = Span(day_start(day, zone), day_start(day + timedelta(days=length), zone))
    before = quarters(span_before(span, days, zone))
    moved = moved_to(span, points(before, [float(i) for i in range(len(before))]), days, zone)
    value_at = dict(zip(before, map(float, range(len(before))), strict=True))
    expected = {}
    for moment in quarters(span):
        wall = moment.astimezone(zone).replace(tzinfo=None) - timedelta(days=days)
        then = first_time_of(wall, zone)
        if then is not None:
            expected[ms(moment)] = value_at[then]
    assert dict(zip(moved.time_ms, moved.mean, strict=True)) == expected
    assert moved.time_ms == sorted(set(moved.time_ms))


@given(zone=zones, day=days_of_2026, days=st.sampled_from([1, 7]), width=st.sampled_from([300, 3600, 21_600]))
def test_buckets_stay_in_order(zone, day, days, width):
    span = Span(day_start(day, zone), day_start(day + timedelta(days=2), zone))
    there = span_before(span, days, zone).widened(width)
    starts = [there.start + i * timedelta(seconds=width) for i in range(int(there.seconds) // width)]
    values = [float(i) for i in range(len(starts))]
    columns = {"minimum": values, "maximum": values, "count": [1] * len(values)}
    moved = moved_to(span, points(starts, values, width, **columns), days, zone)
    assert moved.time_ms == sorted(set(moved.time_ms))
    assert moved.minimum == moved.maximum == moved.mean
    assert len(moved.count) == len(moved.mean) == len(moved.time_ms)


def test_six_in_the_morning_is_compared_with_six_in_the_morning_when_clocks_have_changed():
    zone = ZoneInfo("Europe/Amsterdam")
    morning = datetime(2026, 3, 30, 4, tzinfo=UTC)
    assert morning.astimezone(zone).hour == 6
    assert at_same_clock(morning, -7, zone).astimezone(zone) == datetime(2026, 3, 23, 6, tzinfo=zone)
    span = Span(morning, morning + timedelta(hours=1))
    moved = moved_to(span, points([datetime(2026, 3, 23, 5, 30, tzinfo=UTC)], [19.0]), 7, zone)
    assert moved.time_ms == [ms(morning + timedelta(minutes=30))]


@pytest.mark.parametrize("days", [1, 7])
def test_days_are_moved_as_days(days):
    zone = ZoneInfo("Europe/Amsterdam")
    first = date(2026, 10, 20)
    edges = [day_start(first + timedelta(days=i), zone) for i in range(9)]
    values = [float(i) for i in range(8)]
    before = points(edges[:-1], values, 86_400, end_ms=[ms(each) for each in edges[1:]])
    span = Span(
        day_start(first + timedelta(days=days), zone), day_start(first + timedelta(days=8 + days), zone)
    )
    moved = moved_to(span, before, days, zone)
    there = [ms(day_start(first + timedelta(days=i + days), zone)) for i in range(9)]
    assert (moved.time_ms, moved.ends) == (there[:-1], there[1:])
    assert moved.mean == values
