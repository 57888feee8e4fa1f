"""Finds the people whom commands name."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.accounts.profiles import Profile, find_profile_by_name
from hortus.domain.accounts.store import UserNotFound


async def person_named(connection: AsyncConnection, username: str) -> Profile:
    """Return the person with this user name. Raises UserNotFound."""
    person = await find_profile_by_name(connection, username)
    if person is None:
        raise UserNotFound(username)
    return person
