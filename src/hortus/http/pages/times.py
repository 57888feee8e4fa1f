"""Ages, durations and times for people, in the language of the request. Pure.

`static/status.js` keeps ages current with the same patterns, which it gets from `script_patterns`.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_skeleton, format_time

from hortus.base.language.appearance import Clock, current_appearance
from hortus.base.language.languages import languages
from hortus.base.language.translation import current_language, gettext, gettext_noop
from hortus.base.time_zones import time_zone_names

_DATED_FROM_SECONDS = 48 * 3600


class _Patterns(NamedTuple):
    minutes: str
    seconds: str


_PATTERNS = {
    Clock.HOURS_24: _Patterns("HH:mm", "HH:mm:ss"),
    Clock.HOURS_12: _Patterns("h:mm a", "h:mm:ss a"),
}

_AGO = {
    "seconds": gettext_noop("%(seconds)s s ago"),
    "minutes": gettext_noop("%(minutes)s min ago"),
    "hours": gettext_noop("%(hours)s h ago"),
    "both": gettext_noop("%(hours)s h %(minutes)s min ago"),
}
_DURATION = {
    "seconds": gettext_noop("%(seconds)s s"),
    "minutes": gettext_noop("%(minutes)s min"),
    "hours": gettext_noop("%(hours)s h"),
    "both": gettext_noop("%(hours)s h %(minutes)s min"),
}
_DAYS = {
    "days": gettext_noop("%(days)s d"),
    "both": gettext_noop("%(days)s d %(hours)s h"),
}

# By the larger unit: its name, its seconds, and the patterns without and with the next smaller one.
_PRECISE = (
    ("days", 86_400, _DAYS["days"], _DAYS["both"]),
    ("hours", 3600, _DURATION["hours"], _DURATION["both"]),
    ("minutes", 60, _DURATION["minutes"], gettext_noop("%(minutes)s min %(seconds)s s")),
    ("seconds", 1, _DURATION["seconds"], _DURATION["seconds"]),
)


def age_seconds(moment: datetime, now: datetime) -> int:
    """Return an age in whole seconds, never less than 0."""
    return max(0, int((now - moment) / timedelta(seconds=1)))


def ago(moment: datetime, now: datetime) -> str:
    """Return how long ago a moment was, or from two days on, when it was."""
    seconds = age_seconds(moment, now)
    if seconds >= _DATED_FROM_SECONDS:
        return date_and_time(moment, now)
    return _filled(_AGO, seconds)


def duration(seconds: float) -> str:
    """Return a duration in its two largest units."""
    whole = max(0, int(seconds))
    if whole < _DATED_FROM_SECONDS:
        return _filled(_DURATION, whole)
    days, hours = whole // 86_400, whole % 86_400 // 3600
    pattern = gettext(_DAYS["both" if hours else "days"])
    return pattern % {"days": days, "hours": hours}


def precise_duration(length: timedelta) -> str:
    """Return a duration, rounded to seconds, in its two largest units: `2 h 10 min`, `59 min 30 s`."""
    seconds = max(0, round(length / timedelta(seconds=1)))
    index = next((i for i, (_, size, _, _) in enumerate(_PRECISE) if seconds >= size), len(_PRECISE) - 1)
    name, size, alone, with_finer = _PRECISE[index]
    values = {name: seconds // size}
    if index + 1 < len(_PRECISE):
        finer, finer_size, _, _ = _PRECISE[index + 1]
        values[finer] = seconds % size // finer_size
        return gettext(with_finer if values[finer] else alone) % values
    return gettext(alone) % values


def date_and_time(moment: datetime, now: datetime) -> str:
    """Return day and time of day, with the year if it is not the present one."""
    zone = own_zone()
    local = moment.astimezone(zone)
    with_year = local.year != now.astimezone(zone).year
    pattern = gettext("%(date)s, %(time)s UTC") if zone is UTC else gettext("%(date)s, %(time)s")
    return pattern % {"date": short_date(local, with_year=with_year), "time": time_of_day(local)}


def clock_text(moment: datetime, zone: tzinfo, beside: datetime | None = None, *, seconds: bool = False) -> str:
    """Return the time of day in a zone, with date and year unless they are those of `beside`."""
    local = moment.astimezone(zone)
    other = beside.astimezone(zone) if beside is not None else None
    clock = time_of_day(local, seconds=seconds and local.second != 0)
    if other is not None and other.date() == local.date():
        return clock
    with_year = other is None or other.year != local.year
    return gettext("%(date)s, %(time)s", date=short_date(local, with_year=with_year), time=clock)


def short_date(local: date, *, with_year: bool = False) -> str:
    """Return a local date: day and short month."""
    return format_skeleton("yMMMd" if with_year else "MMMd", local, locale=current_language().locale)


def month_name(local: date) -> str:
    """Return the short name of a local date's month, as it stands alone."""
    return format_date(local, "LLL", locale=current_language().locale)


def exact(moment: datetime) -> str:
    """Return the full date and the time to the second, with the zone."""
    zone, clock = own_zone(), current_appearance().clock
    date, time = _exact_parts(moment, zone, current_language().tag, clock)
    if zone is UTC:
        return gettext("%(date)s, %(time)s UTC", date=date, time=time)
    return gettext("%(date)s, %(time)s (%(zone)s)", date=date, time=time, zone=str(zone))


def day(moment: datetime) -> str:
    """Return a day with its year."""
    return short_date(moment.astimezone(own_zone()), with_year=True)


def own_zone() -> tzinfo:
    """Return the time zone that the viewer chose, or UTC."""
    name = current_appearance().time_zone
    return UTC if name is None or name not in time_zone_names() else ZoneInfo(name)


def script_patterns() -> dict[str, dict[str, str]]:
    """Return the patterns of ages and durations below two days, for the script that keeps them current."""
    return {
        name: {unit: gettext(pattern) for unit, pattern in patterns.items()}
        for name, patterns in (("ago", _AGO), ("duration", _DURATION))
    }


def precise_patterns() -> dict[str, dict[str, int | str]]:
    """Return the units and patterns of `precise_duration`, for the script of charts; the largest unit first."""
    return {
        name: {"seconds": size, "alone": gettext(alone), "both": gettext(both)}
        for name, size, alone, both in _PRECISE
    }


# The same moments are shown again and again, since pages renew themselves.
@lru_cache(maxsize=4096)
def _exact_parts(moment: datetime, zone: tzinfo, tag: str, clock: Clock) -> tuple[str, str]:
    local, locale = moment.astimezone(zone), languages()[tag].locale
    pattern = _PATTERNS[clock].seconds
    return format_date(local, "long", locale=locale), format_time(local, pattern, locale=locale)


def time_of_day(local: datetime, *, seconds: bool = False) -> str:
    """Return the time of day of a local time."""
    patterns = _PATTERNS[current_appearance().clock]
    return format_time(
        local, patterns.seconds if seconds else patterns.minutes, locale=current_language().locale
    )


def _filled(patterns: dict[str, str], seconds: int) -> str:
    hours, minutes = seconds // 3600, seconds % 3600 // 60
    if seconds < 60:
        unit = "seconds"
    elif seconds < 3600:
        unit = "minutes"
    else:
        unit = "both" if minutes else "hours"
    return gettext(patterns[unit]) % {"seconds": seconds, "minutes": minutes, "hours": hours}
