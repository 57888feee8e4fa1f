"""The people of an installation, as lists show them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.accounts.tables import ApiKeyRow, RefreshTokenRow, UserRow
from hortus.domain.kits.tables import KitMembershipRow


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedPerson:
    """A person with the number of kits of which they are a member.

    `last_seen` is when one of their log-ins or API keys was last used; None if none of them is left.
    """

    username: str
    display_name: str
    email_address: str
    is_admin: bool
    kits: int
    created_at: datetime
    last_seen: datetime | None


_SEARCHED = (UserRow.username, UserRow.display_name, UserRow.email_address)


async def list_people(
    connection: AsyncConnection,
    *,
    words: str = "",
    after: str = "",
    exactly: str | None = None,
    most: int | None = None,
) -> list[ListedPerson]:
    """Return people by user name: all, or those whose name or address has these words, after a user name.

    `exactly` is the user name of the only one to return.
    """
    kits = (
        select(func.count())
        .where(KitMembershipRow.user_id == UserRow.id)
        .correlate(UserRow)
        .scalar_subquery()
        .label("kits")
    )
    last_log_in = (
        select(func.max(RefreshTokenRow.last_used_at))
        .where(RefreshTokenRow.user_id == UserRow.id)
        .correlate(UserRow)
        .scalar_subquery()
    )
    last_key = (
        select(func.max(ApiKeyRow.last_used_at))
        .where(ApiKeyRow.user_id == UserRow.id)
        .correlate(UserRow)
        .scalar_subquery()
    )
    rows = await connection.execute(
        select(
            UserRow.username,
            UserRow.display_name,
            UserRow.email_address,
            UserRow.is_admin,
            UserRow.created_at,
            kits,
            func.greatest(last_log_in, last_key).label("last_seen"),
        )
        .where(
            UserRow.username > after,
            true() if exactly is None else UserRow.username == exactly,
            or_(*(each.icontains(words, autoescape=True) for each in _SEARCHED)),
        )
        .order_by(UserRow.username)
        .limit(most)
    )
    return [ListedPerson(**row) for row in rows.mappings()]
