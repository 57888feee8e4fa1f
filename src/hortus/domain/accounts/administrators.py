"""Who is an administrator."""

from __future__ import annotations

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.database.access_changes import announce_user_access
from hortus.base.errors import UsageError
from hortus.domain.accounts.tables import UserRow


class LastAdministrator(UsageError):
    """The installation would be left without an administrator."""

    def __init__(self) -> None:
        super().__init__("This is the only administrator. Make another person an administrator first.")


async def is_last_administrator(connection: AsyncConnection, user_id: int) -> bool:
    """Return whether this user, and nobody else, is an administrator."""
    administrators = (await connection.scalars(select(UserRow.id).where(UserRow.is_admin).limit(2))).all()
    return list(administrators) == [user_id]


async def require_another_administrator(connection: AsyncConnection, user_id: int) -> None:
    """Raise LastAdministrator if nobody else is an administrator.

    All administrators stay locked until the transaction ends: two of them could unmake each other otherwise.
    """
    locked = select(UserRow.id).where(UserRow.is_admin).order_by(UserRow.id).with_for_update(key_share=True)
    if list((await connection.scalars(locked)).all()) == [user_id]:
        raise LastAdministrator


async def has_administrator(connection: AsyncConnection) -> bool:
    """Return whether anybody is an administrator."""
    return bool(await connection.scalar(select(func.bool_or(UserRow.is_admin))))


async def set_administrator(connection: AsyncConnection, user_id: int, *, is_admin: bool) -> bool:
    """Make a user an administrator or an ordinary user; return whether this changed anything.

    The caller commits.
    """
    changed = await connection.execute(
        update(UserRow)
        .where(UserRow.id == user_id, UserRow.is_admin.is_not(is_admin))
        .values(is_admin=is_admin)
    )
    if changed.rowcount and not is_admin:
        await announce_user_access(connection, user_id)
    return bool(changed.rowcount)
