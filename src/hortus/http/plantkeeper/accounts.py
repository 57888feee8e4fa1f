"""Accounts in the form of PlantKeeper's user rows: reading and deleting them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, delete, exists, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import aliased

from hortus.base.database.access_changes import announce_user_access
from hortus.base.errors import UsageError
from hortus.domain.accounts.tables import UserRow
from hortus.domain.accounts.usernames import shown_name
from hortus.domain.kits.tables import KitMembershipRow, KitRow
from hortus.domain.plants.tables import PlantLinkRow, PlantRow


class SharesKits(UsageError):
    """The account cannot be deleted because kits shared with others depend on it."""

    def __init__(self, serials: Sequence[str]) -> None:
        super().__init__(
            f"No other member has full access to the shared kit {', '.join(serials)}. Give it to another "
            "member, or delete the kit, first."
        )


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


async def delete_account(connection: AsyncConnection, user_id: int) -> None:
    """Delete an account with its log-ins, keys and memberships. The caller commits. Raises SharesKits.

    Plants that a kit measures stay with the kit; others are deleted. Kits stay with their readings; those
    without another member are visible to administrators only.
    """
    serials = list((await connection.scalars(_kits_that_depend_on(user_id))).all())
    if serials:
        raise SharesKits(serials)
    linked = select(PlantLinkRow.plant_id).where(PlantLinkRow.linked_until.is_(None))
    await connection.execute(delete(PlantRow).where(PlantRow.owner_id == user_id, PlantRow.id.not_in(linked)))
    await connection.execute(delete(UserRow).where(UserRow.id == user_id))
    await announce_user_access(connection, user_id)


def _kits_that_depend_on(user_id: int) -> Select[str]:
    """Return the serials of shared kits to which only this member has full access."""
    supers = aliased(KitMembershipRow)
    others = aliased(KitMembershipRow)
    return (
        select(KitRow.serial)
        .join(KitMembershipRow, KitMembershipRow.kit_id == KitRow.id)
        .where(
            KitMembershipRow.user_id == user_id,
            KitMembershipRow.access_super,
            exists().where(others.kit_id == KitRow.id, others.user_id != user_id),
            ~exists().where(supers.kit_id == KitRow.id, supers.user_id != user_id, supers.access_super),
        )
        .order_by(KitRow.id)
    )
