"""Secrets that the page after a form shows once: they outlive the redirect, and nothing else.

The caller encrypts them, so that a copy of the database gives none away.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import delete, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.accounts.tables import ShownOnceRow

_LIFETIME = timedelta(minutes=10)
"""Longer than a redirect takes on the worst network."""


async def keep_to_show_once(connection: AsyncConnection, user_id: int, content: bytes, now: datetime) -> UUID:
    """Keep encrypted content for this user; return the id that `take_shown_once` wants. The caller commits."""
    # What nobody fetched must not stay; with each new one, so no job is needed.
    await connection.execute(delete(ShownOnceRow).where(ShownOnceRow.expires_at < now))
    content_id = uuid4()
    await connection.execute(
        insert(ShownOnceRow).values(id=content_id, user_id=user_id, content=content, expires_at=now + _LIFETIME)
    )
    return content_id


async def take_shown_once(
    connection: AsyncConnection, user_id: int, content_id: UUID, now: datetime
) -> bytes | None:
    """Return the content and forget it; None if it was shown, is too old, or is another user's."""
    row = ShownOnceRow
    return await connection.scalar(
        delete(row)
        .where(row.id == content_id, row.user_id == user_id, row.expires_at >= now)
        .returning(row.content)
    )
