"""Announcements that access was reduced, so that open connections react at once.

    hortus_access   `kit 12`   members, privacy or existence of the kit with this id changed
                    `user 5`   password, log-ins, keys or existence of the user with this id changed

A listener checks the current permissions itself. An announcement only triggers that check early: listeners also
repeat it periodically.
"""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

ACCESS_CHANNEL = "hortus_access"

_NOTIFY = text("SELECT pg_notify(:channel, :payload)")


async def announce_kit_access(connection: AsyncConnection, kit_id: int) -> None:
    """Announce, on commit, that the set of users who may see this kit changed."""
    await connection.execute(_NOTIFY, {"channel": ACCESS_CHANNEL, "payload": f"kit {kit_id}"})


async def announce_user_access(connection: AsyncConnection, user_id: int) -> None:
    """Announce, on commit, that this user or one of their API keys lost permissions."""
    await connection.execute(_NOTIFY, {"channel": ACCESS_CHANNEL, "payload": f"user {user_id}"})
