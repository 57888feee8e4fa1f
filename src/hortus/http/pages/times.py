"""Ages, durations and times for people, in the language of the request. Pure.

`static/live.js` keeps ages current with the same patterns, which it gets from `script_patterns`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from babel.dates import format_date, format_skeleton, format_time

from hortus.base.language.languages import languages
from hortus.base.language.translation import current_language, gettext, gettext_noop

_DATED_FROM_SECONDS = 48 * 3600

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


def date_and_time(moment: datetime, now: datetime) -> str:
    """Return day and time of day, with the year if it is not the present one."""
    local = moment.astimezone(UTC)
    skeleton = "MMMd" if local.year == now.astimezone(UTC).year else "yMMMd"
    return gettext(
        "%(date)s, %(time)s UTC",
        date=format_skeleton(skeleton, local, locale=current_language().locale),
        time=format_time(local, "HH:mm", locale=current_language().locale),
    )


def exact(moment: datetime) -> str:
    """Return the full date and the time to the second, with the zone."""
    date, time = _exact_parts(moment, current_language().tag)
    return gettext("%(date)s, %(time)s UTC", date=date, time=time)


def day(moment: datetime) -> str:
    """Return a day with its year."""
    return format_skeleton("yMMMd", moment.astimezone(UTC), locale=current_language().locale)


def script_patterns() -> dict[str, dict[str, str]]:
    """Return the patterns of ages and durations below two days, for the script that keeps them current."""
    return {
        name: {unit: gettext(pattern) for unit, pattern in patterns.items()}
        for name, patterns in (("ago", _AGO), ("duration", _DURATION))
    }


# The same moments are shown again and again, since pages renew themselves.
@lru_cache(maxsize=4096)
def _exact_parts(moment: datetime, tag: str) -> tuple[str, str]:
    local, locale = moment.astimezone(UTC), languages()[tag].locale
    return format_date(local, "long", locale=locale), format_time(local, "HH:mm:ss", locale=locale)


def _filled(patterns: dict[str, str], seconds: int) -> str:
    hours, minutes = seconds // 3600, seconds % 3600 // 60
    if seconds < 60:
        unit = "seconds"
    elif seconds < 3600:
        unit = "minutes"
    else:
        unit = "both" if minutes else "hours"
    return gettext(patterns[unit]) % {"seconds": seconds, "minutes": minutes, "hours": hours}
