"""Rules of the charts' page: ranges and moves, scales, axes, durations, pictures."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException

from hortus.base.language.translation import speaking
from hortus.domain.plants.state import Range
from hortus.domain.series.chart_store import Points
from hortus.domain.series.charts import EARLIEST, ChartSource, Span
from hortus.http.pages.charts.drawing import HEIGHT, WIDTH, paths_of
from hortus.http.pages.charts.panels import chosen_series
from hortus.http.pages.charts.scale import Scale, scale_of, ticks_of
from hortus.http.pages.charts.time_axis import time_ticks
from hortus.http.pages.charts.view import (
    MOST_PANELS,
    MOST_PER_PANEL,
    RANGES,
    ChartView,
    moves,
    parse_view,
)
from hortus.http.pages.figures import measured
from hortus.http.pages.moments import address_text, moment_in
from hortus.http.pages.times import clock_text, precise_duration

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
AMSTERDAM = ZoneInfo("Europe/Amsterdam")
UTC_ZONE = ZoneInfo("UTC")
MOMENTS = st.integers(1_262_304_000, 1_795_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(
    st.lists(st.integers(0, 2**31 - 1), unique=True, max_size=48).map(tuple),
    st.sampled_from(list(RANGES)),
    st.one_of(st.none(), st.tuples(MOMENTS, st.integers(1, 10**8))),
    st.sampled_from(["", "day", "week"]),
    st.booleans(),
)
def test_an_address_says_all_of_a_view(series, range_, fixed, versus, from_zero):
    start = end = None
    if fixed:
        start, end = fixed[0], fixed[0] + timedelta(seconds=fixed[1])
    view = ChartView(
        series=series, range=range_, start=start, end=end, versus=versus, from_zero=from_zero, table_page=3
    )
    assert parse_view(QueryParams(view.address()), UTC) == view


@given(st.text(), st.text(), st.text(), st.text(), st.text(), st.text())
def test_any_address_is_a_view_or_a_mistake_that_is_named(series, range_, start, end, versus, rows):
    query = {"s": series, "r": range_, "from": start, "to": end, "vs": versus, "rows": rows}
    found = view_or_mistake(query)
    if isinstance(found, HTTPException):
        assert (found.status_code, bool(found.detail)) == (400, True)
    else:
        assert parse_view(QueryParams(found.address()), UTC) == found


def view_or_mistake(query: dict[str, str]) -> ChartView | HTTPException:
    try:
        return parse_view(QueryParams(query), UTC)
    except HTTPException as error:
        return error


@given(MOMENTS, st.integers(60, 10**8), st.sampled_from(["earlier", "later", "wider", "closer", "present"]))
def test_a_move_leads_to_a_range_that_can_be_shown(start, seconds, name):
    start = min(start, NOW - timedelta(seconds=60))
    view = ChartView(start=start, end=min(NOW, start + timedelta(seconds=seconds)))
    span = view.span(NOW, None, UTC_ZONE)
    moved = getattr(moves(view, span, NOW), name)
    there = moved.span(NOW, None, UTC_ZONE)
    assert there.start >= EARLIEST
    assert timedelta(minutes=1) <= there.end - there.start
    assert there.end <= NOW or there.start == EARLIEST


def test_back_and_forth_and_in_and_out_lead_where_one_was():
    start = NOW - timedelta(hours=30)
    view = ChartView(start=start, end=start + timedelta(hours=4))

    def go(view: ChartView, name: str) -> ChartView:
        return getattr(moves(view, view.span(NOW, None, UTC_ZONE), NOW), name)

    assert go(go(view, "earlier"), "later") == view
    assert go(go(view, "wider"), "closer") == view
    assert go(view, "present") == ChartView()


def test_times_of_addresses_have_an_offset_or_are_those_of_the_zone():
    assert moment_in("2026-11-28T09:00Z", AMSTERDAM) == datetime(2026, 11, 28, 9, tzinfo=UTC)
    assert moment_in("2026-11-28T09:00", AMSTERDAM) == datetime(2026, 11, 28, 8, tzinfo=UTC)
    assert moment_in("2026-11-28T09:00:30+02:00", UTC) == datetime(2026, 11, 28, 7, 0, 30, tzinfo=UTC)
    for text in ("", "now", "2026-11-28", "2026-11-28T25:00", "٢٠٢٦-11-28T09:00", "0001-01-01T00:00+14:00"):
        with pytest.raises((ValueError, OverflowError)):
            moment_in(text, UTC)


@given(MOMENTS)
def test_a_time_in_an_address_is_the_time_to_the_second(moment):
    assert moment_in(address_text(moment), AMSTERDAM) == moment


def test_durations_have_two_units_at_most():
    seconds = (0, 1, 59, 60, 61, 3600, 7800, 86_400, 90_061, 172_800, 180_000)
    assert [precise_duration(timedelta(seconds=each)) for each in seconds] == [
        "0 s", "1 s", "59 s", "1 min", "1 min 1 s", "1 h", "2 h 10 min", "1 d", "1 d 1 h", "2 d", "2 d 2 h",
    ]  # fmt: skip
    with speaking("nl"):
        assert precise_duration(timedelta(hours=2, minutes=10)) == "2 u 10 min"


def test_dates_are_told_where_they_are_needed():
    assert clock_text(NOW, UTC, NOW) == "12:00"
    assert clock_text(NOW, AMSTERDAM, NOW) == "13:00"
    assert clock_text(NOW - timedelta(days=1), UTC, NOW) == "27 Nov, 12:00"
    assert clock_text(NOW - timedelta(days=365), UTC, NOW) == "28 Nov 2025, 12:00"
    with speaking("de"):
        assert clock_text(NOW - timedelta(days=365), UTC, NOW) == "28. Nov. 2025, 12:00"


def test_noise_is_no_drama():
    assert scale_of([20.0, 20.1], "°C") == Scale(pytest.approx(18.93), pytest.approx(21.17))


def test_the_target_band_is_in_the_picture_if_that_at_most_doubles_the_span():
    near, far = Range(minimum=15, maximum=24), Range(minimum=-20, maximum=24)
    assert scale_of([16.0, 22.0], "°C", near).low < 15
    assert scale_of([16.0, 22.0], "°C", far).low > 15
    assert scale_of([16.0, 22.0], "°C", Range(minimum=15)).high < 24


def test_a_scale_may_begin_at_zero():
    assert scale_of([400.0, 500.0], "ppm", from_zero=True).low == 0
    assert scale_of([-3.0, 5.0], "°C", from_zero=True).low < -3


def test_light_of_day_and_night_is_logarithmic_and_goes_through_zero():
    scale = scale_of([0.0, 50_000.0], "lx")
    assert scale.is_log
    assert [label for _, label in ticks_of(scale)] == ["0", "1", "10", "100", "1,000", "10,000"]
    assert not scale_of([10_000.0, 50_000.0], "lx").is_log


def test_axes_are_in_the_language_of_the_page():
    with speaking("de"):
        assert [label for _, label in ticks_of(scale_of([0.0, 50_000.0], "lx"))][-2:] == ["1.000", "10.000"]
        assert [label for _, label in ticks_of(Scale(-1.0, 0.5))] == ["−1,0", "−0,5", "0", "0,5"]
        assert "28. Nov." in [label for _, label in time_ticks(Span(NOW - timedelta(days=1), NOW), UTC)]
        year = Span(NOW - timedelta(days=365), NOW)
        assert "Mai" in [label for _, label in time_ticks(year, UTC)]


@given(st.lists(FINITE, min_size=1), st.sampled_from(["°C", "%", "lx", "x"]), st.booleans())
def test_any_values_have_a_scale_with_ticks_inside(values, unit, from_zero):
    scale = scale_of(values, unit, from_zero=from_zero)
    assert scale.low < scale.high
    ticks = ticks_of(scale)
    assert len(ticks) <= 12
    assert all(-0.001 <= scale.share(value) <= 1.001 for value, _ in ticks)


@given(MOMENTS, st.integers(60, 5 * 10**8), st.sampled_from([UTC, AMSTERDAM, ZoneInfo("Asia/Kolkata")]))
def test_any_range_has_few_labels_in_order(start, seconds, zone):
    span = Span(start, start + timedelta(seconds=seconds))
    moments = [at for at, _ in time_ticks(span, zone)]
    assert 0 < len(moments) <= 6 or seconds < 600
    assert [at.timestamp() for at in moments] == sorted({at.timestamp() for at in moments})
    assert all(span.start <= at <= span.end for at in moments)


def test_days_begin_at_midnight_of_the_zone():
    day = Span(NOW - timedelta(days=1), NOW)
    labels = {label: at for at, label in time_ticks(day, AMSTERDAM)}
    assert labels["28 Nov"] == datetime(2026, 11, 27, 23, tzinfo=UTC)


def points(*minutes: float, width_seconds: int | None = None) -> Points:
    values = [20.0 + index for index in range(len(minutes))]
    return Points(
        source=ChartSource.RAW,
        width_seconds=width_seconds,
        span=Span(NOW, NOW),
        time_ms=[round((NOW + timedelta(minutes=each)).timestamp() * 1000) for each in minutes],
        mean=values,
        minimum=None if width_seconds is None else [value - 1 for value in values],
        maximum=None if width_seconds is None else [value + 1 for value in values],
        count=None if width_seconds is None else [1] * len(values),
    )


def test_no_line_crosses_a_gap_and_a_point_alone_is_a_dot_with_a_bar():
    hour = Span(NOW, NOW + timedelta(hours=1))
    paths = paths_of(points(0, 1, 10, 20, 21, width_seconds=60), 135, hour, Scale(0, 40))
    assert paths.line.count("M") == 2
    assert paths.envelope.count("M") == 2
    assert (paths.dots.count("M"), paths.bars.count("M")) == (1, 1)
    assert paths.dots.startswith(f"M{round((10.5 / 60) * WIDTH)} {round(HEIGHT * (1 - 22 / 40))}")


@given(st.lists(st.integers(0, 59), unique=True).map(sorted), st.integers(1, 600))
def test_paths_are_numbers_only(minutes, longest):
    hour = Span(NOW, NOW + timedelta(hours=1))
    paths = paths_of(points(*minutes), longest, hour, Scale(0, 100))
    assert re.fullmatch(r"(M[-\d ]+)*", paths.line)
    assert re.fullmatch(r"(M[-\d ]+h0)*", paths.dots)


def test_there_is_room_for_so_many_panels_and_lines():
    many = [(number, f"unit {number % 10}") for number in range(200)]
    kept = chosen_series(many)
    assert len(kept) == MOST_PANELS * MOST_PER_PANEL
    assert chosen_series([(3, "a"), (1, "b"), (2, "a")]) == [3, 2, 1]


def test_values_have_the_decimals_of_their_quantity():
    assert [measured(18.94, "Temperature"), measured(53.5, "Humidity"), measured(1011.4, "Pressure")] == [
        "18.9",
        "54",
        "1,011",
    ]
    assert [measured(-0.04, "Temperature"), measured(-1.25, "Temperature")] == ["0.0", "−1.2"]
    assert [measured(0.4, "Light intensity"), measured(20_500.0, "Light intensity")] == ["0.4", "20,500"]
    assert measured(3.14159, "Something else") == "3.14"
