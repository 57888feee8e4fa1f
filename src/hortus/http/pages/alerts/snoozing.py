"""Until when an alert is snoozed by each of the buttons, in the time zone of the reader."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.exceptions import HTTPException

from hortus.base.language.translation import gettext
from hortus.base.time_zones import time_zone_or
from hortus.domain.accounts.profiles import find_profile

_MORNING = time(8)


async def zone_of_person(connection: AsyncConnection, user_id: int, otherwise: ZoneInfo) -> ZoneInfo:
    """Return the time zone that a person has named, or this one."""
    profile = await find_profile(connection, user_id)
    return time_zone_or(profile.appearance.time_zone if profile is not None else None, otherwise)


def end_of_snooze(choice: str, now: datetime, zone: ZoneInfo) -> datetime | None:
    """Return the end of a snooze, None if it has none. Raises HTTPException 400 for an unknown button."""
    if choice == "hour":
        return now + timedelta(hours=1)
    if choice == "morning":
        tomorrow = now.astimezone(zone).date() + timedelta(days=1)
        return datetime.combine(tomorrow, _MORNING, zone).astimezone(UTC)
    if choice == "end":
        return None
    raise HTTPException(400, gettext("The form cannot be read."))
