"""Enforcing quotas per user (hortus.base.quotas)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.errors import UsageError
from hortus.domain.accounts.tables import UserRow


class QuotaReached(UsageError):
    """A user or kit has reached a quota of this installation."""

    def __init__(self, most: int, what: str) -> None:
        super().__init__(
            f"There are already {most} {what}, which is the limit. Delete what is no longer needed, or ask the "
            "operator to raise the limit."
        )


async def require_room(
    connection: AsyncConnection, user_id: int, present: Select[Any], most: int, what: str
) -> None:
    """Raise QuotaReached if the user has reached the limit `most`; `present` counts what they have.

    The user's row stays locked until the transaction ends, so that concurrent requests cannot exceed the limit.
    Administrators have no limit.
    """
    # FOR NO KEY UPDATE: other transactions must still be able to insert rows that refer to the user.
    locked = select(UserRow.is_admin).where(UserRow.id == user_id).with_for_update(key_share=True)
    is_admin = await connection.scalar(locked)
    if not is_admin and (await connection.scalar(present) or 0) >= most:
        raise QuotaReached(most, what)
