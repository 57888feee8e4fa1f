"""Times in addresses. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo

_MOMENT = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)([Zz]|[+-]\d{2}:\d{2})?", re.ASCII
)


class UnreadableMoment(ValueError):
    """A text that does not look like a time."""


def moment_in(text: str, zone: tzinfo) -> datetime:
    """Return the time of a text such as `2026-11-28T09:00Z`; without an offset it is that of the zone.

    Raises UnreadableMoment, or another ValueError if there is no such time.
    """
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise UnreadableMoment("a time looks like 2026-11-28T09:00Z")
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
