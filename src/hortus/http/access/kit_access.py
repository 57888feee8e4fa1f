"""A kit and the caller's rights to it, read in one statement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.database.prepared import PreparedQuery, Row
from hortus.domain.accounts.api_keys import Scope
from hortus.domain.accounts.tables import UserRow
from hortus.domain.kits.identity import is_serial
from hortus.domain.kits.tables import KIT_COLUMNS, KitLastSeenRow, KitMembershipRow, KitRow
from hortus.http.access.caller import Caller
from hortus.http.access.permissions import Permission, Role, permissions_of, role_of, within_scopes

_KITS_AND_CALLER: Select[*tuple[Any, ...]] = (
    select(
        *KIT_COLUMNS,
        UserRow.is_admin,
        KitMembershipRow.access_super,
        KitMembershipRow.access_configure,
    )
    .select_from(KitRow)
    .outerjoin(KitLastSeenRow, KitLastSeenRow.kit_id == KitRow.id)
    .outerjoin(UserRow, UserRow.id == bindparam("user_id"))
    .outerjoin(
        KitMembershipRow,
        and_(KitMembershipRow.kit_id == KitRow.id, KitMembershipRow.user_id == UserRow.id),
    )
)
_BY_SERIAL = PreparedQuery(_KITS_AND_CALLER.where(KitRow.serial == bindparam("serial")))
_BY_ID = PreparedQuery(_KITS_AND_CALLER.where(KitRow.id == bindparam("kit_id")))


@dataclass(frozen=True, slots=True, kw_only=True)
class KitAccess:
    """A kit that the caller may see, and their rights to it."""

    kit: Row
    caller: Caller
    permissions: frozenset[Permission]

    @property
    def kit_id(self) -> int:
        return int(self.kit["kit_id"])

    @property
    def sees_exact_position(self) -> bool:
        """Whether the caller learns exactly where the kit stands."""
        return sees_exact_position(self.caller, self.kit)

    def require(self, permission: Permission) -> None:
        """Raise Problem 401 or 403 unless the caller has this permission."""
        if permission not in self.permissions:
            raise self.caller.denial(f"You do not have the permission {permission} for this kit.")


async def access_to_kit(connection: AsyncConnection, caller: Caller, serial: str) -> KitAccess:
    """Return the kit with this serial. Raises Problem 401 or 404 if there is none that the caller may see."""
    if not is_serial(serial):
        raise caller.refusal()
    parameters = {"serial": serial, "user_id": caller.user_id}
    return _access(caller, await _BY_SERIAL.one_or_none(connection, parameters))


async def access_to_kit_of_id(connection: AsyncConnection, caller: Caller, kit_id: int | None) -> KitAccess:
    """Return the kit with this id, as `access_to_kit` does; None stands for a thing that does not exist."""
    if kit_id is None:
        raise caller.refusal()
    parameters = {"kit_id": kit_id, "user_id": caller.user_id}
    return _access(caller, await _BY_ID.one_or_none(connection, parameters))


def sees_exact_position(caller: Caller, row: Row) -> bool:
    """Return whether the caller learns exactly where the kit in this row stands: members and administrators."""
    return role_in(row) is not Role.STRANGER and Scope.READ in caller.scopes


def role_in(row: Row) -> Role:
    """Return the caller's role for the kit in this row."""
    return role_of(
        is_admin=bool(row["is_admin"]),
        access_super=row["access_super"],
        access_configure=row["access_configure"],
    )


async def lock_kit(connection: AsyncConnection, kit_id: int) -> bool:
    """Lock the kit's members and configurations against changes until the transaction ends.

    Returns whether the kit still exists. Readings are stored meanwhile.
    """
    statement = select(KitRow.id).where(KitRow.id == kit_id).with_for_update(key_share=True)
    return await connection.scalar(statement) is not None


def _access(caller: Caller, row: Row | None) -> KitAccess:
    if row is None:
        raise caller.refusal()
    is_public = row["privacy_public_dashboard"]
    permissions = permissions_of(role_in(row), is_public=is_public)
    if Permission.VIEW not in permissions:
        raise caller.refusal()
    if caller.user_id is not None and row["is_admin"] is None:
        # The token is valid, but its user has been deleted: treat the caller as anonymous.
        caller = Caller(fault="expired")
    allowed = within_scopes(permissions, caller.scopes, is_public=is_public)
    return KitAccess(kit=row, caller=caller, permissions=allowed)
