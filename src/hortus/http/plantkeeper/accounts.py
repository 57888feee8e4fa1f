"""Accounts in the form of PlantKeeper's user rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.accounts.tables import UserRow
from hortus.domain.accounts.usernames import shown_name


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantKeeperUser:
    """A person as a row of the API, without any password data."""

    id: int
    username: str
    display_name: str
    email_address: str
    is_admin: bool
    created_at: datetime
    updated_at: datetime

    @property
    def shown_name(self) -> str:
        """The user name as typed, if that is known, else as stored."""
        return shown_name(self.username, self.display_name)


_ACCOUNTS = select(
    UserRow.id,
    UserRow.username,
    UserRow.display_name,
    UserRow.email_address,
    UserRow.is_admin,
    UserRow.created_at,
    UserRow.updated_at,
).order_by(UserRow.id)


async def find_account(connection: AsyncConnection, user_id: int) -> PlantKeeperUser | None:
    """Return the account with this id, or None."""
    row = (await connection.execute(_ACCOUNTS.where(UserRow.id == user_id))).mappings().one_or_none()
    return PlantKeeperUser(**row) if row else None


async def list_accounts(connection: AsyncConnection) -> list[PlantKeeperUser]:
    """Return all accounts, by id."""
    return [PlantKeeperUser(**row) for row in (await connection.execute(_ACCOUNTS)).mappings()]
