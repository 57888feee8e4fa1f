"""Whether a person may have one more of something (hortus.base.quotas)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.errors import UsageError
from hortus.domain.accounts.tables import UserRow


class QuotaReached(UsageError):
    """Somebody, or a kit, has as many of something as one may have in this installation."""

    def __init__(self, most: int, what: str) -> None:
        super().__init__(
            f"There are {most} {what} already, which is the most here. Delete what is not needed, or ask the "
            "operator for more."
        )


async def require_room(
    connection: AsyncConnection, user_id: int, present: Select[Any], most: int, what: str
) -> None:
    """Raise QuotaReached if the person has as many as they may have; `present` counts them.

    The person's row stays locked until the transaction ends, so that two requests at once do not make one too
    many. Administrators may have any number.
    """
    # Not the key: rows that refer to the person are inserted meanwhile, by others as well.
    locked = select(UserRow.is_admin).where(UserRow.id == user_id).with_for_update(key_share=True)
    is_admin = await connection.scalar(locked)
    if not is_admin and (await connection.scalar(present) or 0) >= most:
        raise QuotaReached(most, what)
