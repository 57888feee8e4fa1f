"""Days and degree days of a phase, and the day on which it has had enough of them. Pure.

Degree days come by local day, for closed days only; a day whose value is not known is not in the mapping, adds
nothing and is counted as missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from math import fsum
from zoneinfo import ZoneInfo

from hortus.base.time_zones import day_start
from hortus.domain.recipes.document import (
    AfterDays,
    AfterDegreeDays,
    ByHand,
    ChangeAt,
    Phase,
    PhaseEnd,
    Photoperiod,
)

DegreeDaysByDay = Mapping[date, float]

ONE_DAY = timedelta(days=1)

ARRIVAL = timedelta(hours=2)
"""How long after midnight the readings of a closed day may still be on their way."""


def closed(degree_days: DegreeDaysByDay, zone: ZoneInfo, now: datetime) -> dict[date, float]:
    """Return the days that are over, in order."""
    today = now.astimezone(zone).date()
    return {day: degree_days[day] for day in sorted(degree_days) if day < today}


def sum_between(degree_days: DegreeDaysByDay, first: date, end: date) -> float:
    """Return the degree days from the first day up to the one before `end`."""
    return fsum(value for day, value in degree_days.items() if first <= day < end)


def missing_between(degree_days: DegreeDaysByDay, first: date, end: date) -> int:
    """Return how many days from the first one up to the one before `end` have no value."""
    known = sum(first <= day < end for day in degree_days)
    return max(0, (end - first).days) - known


def due_at(phase: Phase, first: date, degree_days: DegreeDaysByDay, zone: ZoneInfo) -> datetime | None:
    """Return when a phase with this first day ends by itself (UTC), which may be in the future.

    None if only a person can end it, or if its degree days have not been reached.
    """
    day = due_day(phase.ends, first, degree_days)
    if day is None or isinstance(phase.ends, ByHand):
        return None
    if phase.ends.at is ChangeAt.MIDNIGHT:
        return day_start(day, zone)
    return lights_on(phase.photoperiod, day, zone)


def due_day(end: PhaseEnd, first: date, degree_days: DegreeDaysByDay) -> date | None:
    """Return the local day with whose midnight a phase has had enough."""
    if isinstance(end, AfterDays):
        return first + end.days * ONE_DAY
    if isinstance(end, AfterDegreeDays):
        reached = _day_after_reaching(end.degree_days, first, degree_days)
        return None if reached is None else max(reached, first + (end.min_days or 0) * ONE_DAY)
    return None


def lights_on(photoperiod: Photoperiod | None, day: date, zone: ZoneInfo) -> datetime:
    """Return when the light goes on (UTC) on a local day; midnight if the photoperiod does not say."""
    if photoperiod is None or photoperiod.start is None:
        return day_start(day, zone)
    return local_time(datetime.combine(day, photoperiod.start), zone)


def local_time(clock: datetime, zone: ZoneInfo) -> datetime:
    """Return the instant (UTC) at which the clocks of a zone show this; the first of two, or after a gap."""
    return clock.replace(tzinfo=zone).astimezone(UTC)


def _day_after_reaching(wanted: float, first: date, degree_days: DegreeDaysByDay) -> date | None:
    # Exact sums, so that ten days of 2.3 are 23, in whatever order they are added.
    values: list[float] = []
    for day in sorted(day for day in degree_days if day >= first):
        values.append(degree_days[day])
        if fsum(values) >= wanted:
            return day + ONE_DAY
    return None
