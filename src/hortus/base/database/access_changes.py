"""Announcing that somebody may see less than before, so that what is open already follows at once.

    hortus_access   `kit 12`   members, privacy or existence of the kit with this id changed
                    `user 5`   password, log-ins, keys or existence of the user with this id changed

Who listens looks for itself what holds now. An announcement is an invitation to hurry, nothing more: listeners
look at everything again from time to time.
"""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

ACCESS_CHANNEL = "hortus_access"

_NOTIFY = text("SELECT pg_notify(:channel, :payload)")


async def announce_kit_access(connection: AsyncConnection, kit_id: int) -> None:
    """Announce, when the transaction commits, that others may see this kit than before."""
    await connection.execute(_NOTIFY, {"channel": ACCESS_CHANNEL, "payload": f"kit {kit_id}"})


async def announce_user_access(connection: AsyncConnection, user_id: int) -> None:
    """Announce, when the transaction commits, that this user, or a key of theirs, may do less than before."""
    await connection.execute(_NOTIFY, {"channel": ACCESS_CHANNEL, "payload": f"user {user_id}"})
