"""Time zones by their IANA names, and where local days begin. Pure, except for reading the zone data.

The data comes from the operating system, or from the package `tzdata` where the system has none.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from hortus.base.errors import UsageError

MOST_ZONE_CHARACTERS = 64

_NOT_OF_A_PLACE = frozenset({"Factory", "localtime", "posixrules"})
_ONE_DAY = timedelta(days=1)


class UnknownTimeZone(UsageError):
    """A name that is not that of a time zone."""


def time_zone(name: str) -> ZoneInfo:
    """Return the zone of this IANA name, such as `Europe/Amsterdam`. Raises UnknownTimeZone."""
    fault = fault_of_time_zone(name)
    if fault is not None:
        raise UnknownTimeZone(f"{fault}.")
    return ZoneInfo(name)


def fault_of_time_zone(name: str) -> str | None:
    """Return why this is not the name of a time zone, or None."""
    if name in time_zone_names():
        return None
    alike = difflib.get_close_matches(name[:MOST_ZONE_CHARACTERS], time_zone_names(), n=1)
    hint = f"the closest is {alike[0]}" if alike else "names look like Europe/Amsterdam"
    return f"There is no time zone of this name; {hint}"


def time_zone_or(name: str | None, otherwise: ZoneInfo) -> ZoneInfo:
    """Return the zone of a stored name, or another one if it has none or the zone data no longer knows it."""
    return otherwise if name is None or name not in time_zone_names() else ZoneInfo(name)


@cache
def time_zone_names() -> frozenset[str]:
    """Return the names of all time zones."""
    return frozenset(available_timezones() - _NOT_OF_A_PLACE)


def day_start(day: date, zone: ZoneInfo) -> datetime:
    """Return the first instant of a local day (UTC): midnight, or the change of clocks that skipped it."""
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def day_starts(start: datetime, end: datetime, zone: ZoneInfo, days: int = 1) -> Iterator[datetime]:
    """Yield where each local day begins, from that which holds `start` to the first one at or after `end`.

    With `days`, only every so many days, counted from 1 January 1970 in the zone. A day that a zone left out
    when it crossed the date line has no start.
    """
    first = start.astimezone(zone).date()
    day = first - timedelta(days=(first - date(1970, 1, 1)).days % days)
    previous = None
    while previous is None or previous < end:
        moment = day_start(day, zone)
        if previous is None or moment > previous:
            yield moment
            previous = moment
        day += days * _ONE_DAY
