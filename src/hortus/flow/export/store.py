"""Using the token of a download link once."""

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
    """Note that the token was used; return False if it was used before. The caller commits.

    Of several requests with one token, in whichever processes, exactly one gets True.
    """
    await connection.execute(delete(UsedArchiveTokenRow).where(UsedArchiveTokenRow.expires_at < now))
    used = await connection.execute(
        insert(UsedArchiveTokenRow).values(id=token_id, expires_at=expires_at).on_conflict_do_nothing()
    )
    return used.rowcount == 1
