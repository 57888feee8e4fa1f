"""Formatting of times."""

from __future__ import annotations

from datetime import UTC, datetime


def format_time(moment: datetime) -> str:
    """Return the time as RFC 3339 in UTC ending in Z, with no fraction or with 3 or 6 digits as needed."""
    utc = moment.astimezone(UTC)
    text = utc.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
    if utc.microsecond % 1000:
        return f"{text}.{utc.microsecond:06d}Z"
    if utc.microsecond:
        return f"{text}.{utc.microsecond // 1000:03d}Z"
    return f"{text}Z"


def format_optional_time(moment: datetime | None) -> str | None:
    """Return the time as `format_time` does, or None."""
    return None if moment is None else format_time(moment)
