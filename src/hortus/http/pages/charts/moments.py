"""Times in addresses and on axes, and durations in words. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo

_MOMENT = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)([Zz]|[+-]\d{2}:\d{2})?", re.ASCII
)

_SECOND, _MINUTE, _HOUR, _DAY = 1, 60, 3600, 86_400
_UNITS = (("day", _DAY), ("h", _HOUR), ("min", _MINUTE), ("s", _SECOND))


def moment_in(text: str, zone: tzinfo) -> datetime:
    """Return the time of a text such as `2026-11-28T09:00Z`; without an offset it is that of the zone.

    Raises ValueError.
    """
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise ValueError("a time looks like 2026-11-28T09:00Z")
    date, clock, offset = match.groups()
    moment = datetime.fromisoformat(f"{date}T{clock}{(offset or '').upper()}")
    if not 1 < moment.year < 9999:
        raise ValueError("a time's year is between 2 and 9998")
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return moment.astimezone(UTC)


def address_text(moment: datetime) -> str:
    """Return a time as it stands in addresses, to the second."""
    pattern = "%Y-%m-%dT%H:%MZ" if moment.second == 0 else "%Y-%m-%dT%H:%M:%SZ"
    return moment.astimezone(UTC).strftime(pattern)


def duration(length: timedelta) -> str:
    """Return a duration in two units at most: `2 h 10 min`."""
    seconds = max(0, round(length / timedelta(seconds=1)))
    for index, (name, size) in enumerate(_UNITS):
        if seconds >= size:
            whole, rest = divmod(seconds, size)
            text = _amount(whole, name)
            if index + 1 < len(_UNITS):
                finer_name, finer_size = _UNITS[index + 1]
                if rest // finer_size:
                    text += f" {_amount(rest // finer_size, finer_name)}"
            return text
    return "0 s"


def _amount(count: int, unit: str) -> str:
    return f"{count} days" if unit == "day" and count != 1 else f"{count} {unit}"


def clock_text(moment: datetime, zone: tzinfo, beside: datetime | None = None, *, seconds: bool = False) -> str:
    """Return the time of day, with date and year unless they are those of `beside`."""
    local = moment.astimezone(zone)
    other = beside.astimezone(zone) if beside is not None else None
    clock = f"{local:%H:%M:%S}" if seconds and local.second else f"{local:%H:%M}"
    if other is not None and other.date() == local.date():
        return clock
    year = "" if other is not None and other.year == local.year else f" {local.year}"
    return f"{local.day} {local:%b}{year}, {clock}"
