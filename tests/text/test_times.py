"""Times as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hortus.base.times import format_time, milliseconds_since_1970


@pytest.mark.parametrize(
    ("microsecond", "text"),
    [
        (0, "2026-11-22T12:24:18Z"),
        (805_000, "2026-11-22T12:24:18.805Z"),
        (5_000, "2026-11-22T12:24:18.005Z"),
        (805_001, "2026-11-22T12:24:18.805001Z"),
        (1, "2026-11-22T12:24:18.000001Z"),
    ],
)
def test_a_fraction_has_as_many_digits_as_it_needs(microsecond: int, text: str) -> None:
    assert format_time(datetime(2026, 11, 22, 12, 24, 18, microsecond, UTC)) == text


def test_any_offset_is_written_as_utc() -> None:
    moment = datetime(2026, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=2)))
    assert format_time(moment) == "2025-12-31T22:30:00Z"


def test_a_year_has_four_digits() -> None:
    assert format_time(datetime(99, 1, 2, tzinfo=UTC)) == "0099-01-02T00:00:00Z"


@given(st.integers(min_value=-(2**45), max_value=2**45), st.integers(min_value=0, max_value=999))
def test_milliseconds_are_exact_and_rounded_down(milliseconds: int, microseconds: int) -> None:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds, microseconds=microseconds)
    assert milliseconds_since_1970(moment) == milliseconds
    assert milliseconds_since_1970(moment.astimezone(timezone(timedelta(hours=-3)))) == milliseconds
