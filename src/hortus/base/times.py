"""Formatting of times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def format_time(moment: datetime) -> str:
    """Return the time as RFC 3339 in UTC ending in Z, with no fraction or with 3 or 6 digits as needed."""
    utc = moment.astimezone(UTC).replace(tzinfo=None)
    digits = "microseconds" if utc.microsecond % 1000 else "milliseconds" if utc.microsecond else "seconds"
    return f"{utc.isoformat(timespec=digits)}Z"


def format_optional_time(moment: datetime | None) -> str | None:
    """Return the time as `format_time` does, or None."""
    return None if moment is None else format_time(moment)


def milliseconds_since_1970(moment: datetime) -> int:
    """Return the whole milliseconds, rounded down, without the rounding errors of floating point."""
    return (moment - _EPOCH) // _MILLISECOND
