"""Local days and courses of values for the tests of figures."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import strategies as st

from hortus.domain.figures.samples import Period, Sample, local_day

BERLIN = ZoneInfo("Europe/Berlin")
MIDNIGHT = datetime(2026, 6, 1, tzinfo=UTC)
DAY = Period(MIDNIGHT, MIDNIGHT + timedelta(days=1))
SHORT_DAY = local_day(date(2026, 3, 29), BERLIN)
LONG_DAY = local_day(date(2026, 10, 25), BERLIN)

FIVE_MINUTES = 300.0

about: Any = pytest.approx
"""An approximate value in the place of a float."""


def at(hours: float) -> datetime:
    return MIDNIGHT + timedelta(hours=hours)


def span(start_hours: float, end_hours: float) -> Period:
    return Period(at(start_hours), at(end_hours))


def course(
    value: Callable[[float], float], minutes: int = 5, start_hours: float = 0, end_hours: float = 24
) -> list[Sample]:
    """Return samples of a function of the hours since midnight, at both ends too."""
    count = round((end_hours - start_hours) * 60 / minutes)
    hours = [start_hours + each * minutes / 60 for each in range(count + 1)]
    return [Sample(at(each), value(each)) for each in hours]


def steps(*parts: tuple[float, float], start_hours: float = 0) -> list[Sample]:
    """Return samples every 5 minutes of a value that jumps: for so many hours each one."""
    samples = []
    start = start_hours
    for hours, value in parts:
        part = course(lambda _, value=value: value, start_hours=start, end_hours=start + hours)  # type: ignore[misc]
        samples += [*part[:-1], Sample(part[-1].at - timedelta(milliseconds=1), value)]
        start += hours
    return [*samples, Sample(at(start), parts[-1][1])]


def half_sine(peak: float = 800) -> Callable[[float], float]:
    """Return a clear day from 05:00 to 19:00."""
    return lambda hour: peak * math.sin(math.pi * (hour - 5) / 14) if 5 <= hour <= 19 else 0.0


def steadily(value: float, period: Period, minutes: int = 5) -> list[Sample]:
    count = round(period.seconds / 60 / minutes)
    return [Sample(period.start + timedelta(minutes=each * minutes), value) for each in range(count + 1)]


def samples_of(
    values: st.SearchStrategy[float], most: int = 60, period: Period = DAY
) -> st.SearchStrategy[list[Sample]]:
    """Generate samples at different seconds of a day, in any order."""
    seconds = st.integers(0, round(period.seconds))
    readings = st.dictionaries(seconds, values, max_size=most)
    return readings.map(lambda each: _samples(each, period)).flatmap(st.permutations)


def _samples(readings: dict[int, float], period: Period) -> Sequence[Sample]:
    return [Sample(period.start + timedelta(seconds=each), value) for each, value in readings.items()]
