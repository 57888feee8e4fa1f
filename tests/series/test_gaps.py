"""Gaps are told by how often a series is measured, and not by the width of buckets alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from hortus.domain.series.chart_store import Points
from hortus.domain.series.charts import ChartSource, Span
from hortus.domain.series.gaps import coverage, gap_seconds, gaps_of, usual_interval_seconds

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
HOUR = Span(NOON, NOON + timedelta(hours=1))


def minutes(*at: float, width_seconds: int | None = None) -> Points:
    return Points(
        source=ChartSource.RAW,
        width_seconds=width_seconds,
        span=HOUR,
        time_ms=[round((NOON + timedelta(minutes=each)).timestamp() * 1000) for each in at],
        mean=[20.0] * len(at),
    )


def told(gaps: list[Span]) -> list[tuple[float, float]]:
    return [
        ((gap.start - NOON) / timedelta(minutes=1), (gap.end - NOON) / timedelta(minutes=1)) for gap in gaps
    ]


def test_a_sensor_that_measures_every_five_minutes_is_not_torn_apart_by_buckets_of_one_minute():
    every_five = minutes(*range(0, 60, 5), width_seconds=60)
    assert gap_seconds(60, 300) == 615
    assert gaps_of(every_five, gap_seconds(60, 300), HOUR) == []


def test_a_reading_may_be_missing_and_two_may_not():
    assert gap_seconds(0, 60) == 135
    assert told(gaps_of(minutes(0, 1, 3, 4, 7, *range(8, 60)), 135, HOUR)) == [(4, 7)]


def test_a_gap_begins_where_the_last_bucket_ends():
    found = gaps_of(minutes(0, 10, 20, 40, 50, width_seconds=600), gap_seconds(600, 60), HOUR)
    assert told(found) == [(30, 40)]
    assert coverage(found, HOUR) == 1 - 1 / 6


def test_a_span_begins_and_ends_with_gaps_too():
    assert told(gaps_of(minutes(20, 22, 24), 135, HOUR)) == [(0, 20), (24, 60)]


def test_a_span_without_readings_is_one_gap_and_an_empty_one_has_none():
    assert told(gaps_of(minutes(), 135, HOUR)) == [(0, 60)]
    assert coverage(gaps_of(minutes(), 135, HOUR), HOUR) == 0
    assert gaps_of(minutes(), 135, Span(NOON, NOON)) == []


@given(
    st.lists(st.integers(0, 59), unique=True).map(sorted),
    st.sampled_from([None, 60]),
    st.integers(1, 900),
)
def test_gaps_are_ordered_lie_in_the_span_and_hold_no_point(at, width_seconds, interval_seconds):
    points = minutes(*at, width_seconds=width_seconds)
    gaps = gaps_of(points, gap_seconds(width_seconds or 0, interval_seconds), HOUR)
    edges = [edge for gap in gaps for edge in (gap.start, gap.end)]
    assert edges == sorted(edges)
    assert all(HOUR.start <= edge <= HOUR.end for edge in edges)
    assert all(gap.start < gap.end for gap in gaps)
    times = [NOON + timedelta(minutes=each) for each in at]
    assert not [at for at in times for gap in gaps if gap.start < at < gap.end]
    assert 0 <= coverage(gaps, HOUR) <= 1


def test_a_board_whose_interval_nobody_configured_is_judged_by_its_habit():
    every_ten = minutes(0, 10, 20, 40, 50, 59)
    assert usual_interval_seconds(every_ten) == 600
    assert gaps_of(every_ten, gap_seconds(0, usual_interval_seconds(every_ten)), HOUR) == []
    assert usual_interval_seconds(minutes(*range(60))) == 300
    assert usual_interval_seconds(minutes(0, 50)) == 300
