"""Makes sure that the token of a download link is used only once."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.flow.export.tables import UsedArchiveTokenRow


async def use_archive_token(
    connection: AsyncConnection, token_id: UUID, expires_at: datetime, now: datetime
) -> bool:
    """Mark the token as used; return False if it already was. The caller commits.

    Of several concurrent requests with one token, in any processes, exactly one gets True.
    """
    await connection.execute(delete(UsedArchiveTokenRow).where(UsedArchiveTokenRow.expires_at < now))
    used = await connection.execute(
        insert(UsedArchiveTokenRow).values(id=token_id, expires_at=expires_at).on_conflict_do_nothing()
    )
    return used.rowcount == 1
