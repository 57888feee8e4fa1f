"""The members of kits: reading and changing memberships."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, and_, bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import aliased

from hortus.base.database.access_changes import announce_kit_access
from hortus.base.errors import UsageError
from hortus.domain.accounts.profiles import PROFILE_COLUMNS
from hortus.domain.accounts.room import QuotaReached, require_room
from hortus.domain.accounts.tables import UserRow
from hortus.domain.kits.tables import KIT_COLUMNS, KitLastSeenRow, KitMembershipRow, KitRow

_CallerRow = aliased(UserRow)
_CallersMembershipRow = aliased(KitMembershipRow)


class RequiresOneSuperMember(UsageError):
    """The change would leave the kit without a member who can manage it."""

    def __init__(self) -> None:
        super().__init__("A kit needs at least one member with super access. Give it to another member first.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """A membership, with the ids of its user and kit."""

    id: int
    user_id: int
    kit_id: int
    datetime_linked: datetime
    access_super: bool
    access_configure: bool


_MEMBERSHIP_COLUMNS = (
    KitMembershipRow.id.label("membership_id"),
    KitMembershipRow.datetime_linked,
    KitMembershipRow.access_super.label("member_super"),
    KitMembershipRow.access_configure.label("member_configure"),
)

_MEMBERSHIPS = (
    select(*_MEMBERSHIP_COLUMNS, *PROFILE_COLUMNS, *KIT_COLUMNS)
    .select_from(KitMembershipRow)
    .join(UserRow, UserRow.id == KitMembershipRow.user_id)
    .join(KitRow, KitRow.id == KitMembershipRow.kit_id)
    .outerjoin(KitLastSeenRow, KitLastSeenRow.kit_id == KitRow.id)
    .order_by(KitMembershipRow.id)
)

# With the caller's own access, which decides whether each kit is shown.
_MEMBERSHIPS_AND_CALLER: Select[*tuple[object, ...]] = (
    _MEMBERSHIPS.add_columns(
        _CallerRow.is_admin, _CallersMembershipRow.access_super, _CallersMembershipRow.access_configure
    )
    .outerjoin(_CallerRow, _CallerRow.id == bindparam("caller_id"))
    .outerjoin(
        _CallersMembershipRow,
        and_(_CallersMembershipRow.kit_id == KitRow.id, _CallersMembershipRow.user_id == _CallerRow.id),
    )
)


async def members_of_kit(connection: AsyncConnection, kit_id: int) -> Sequence[RowMapping]:
    """Return the kit's memberships, each with its user and the kit."""
    statement = _MEMBERSHIPS.where(KitMembershipRow.kit_id == kit_id)
    return (await connection.execute(statement)).mappings().all()


async def memberships_of_user(
    connection: AsyncConnection, user_id: int, caller_id: int | None
) -> Sequence[RowMapping]:
    """Return the user's memberships, each with its kit and the caller's access to that kit."""
    statement = _MEMBERSHIPS_AND_CALLER.where(KitMembershipRow.user_id == user_id)
    return (await connection.execute(statement, {"caller_id": caller_id})).mappings().all()


async def find_membership(connection: AsyncConnection, membership_id: int) -> Membership | None:
    """Return the membership with this id, or None."""
    statement = select(KitMembershipRow.__table__).where(KitMembershipRow.id == membership_id)
    row = (await connection.execute(statement)).mappings().one_or_none()
    return Membership(**row) if row else None


async def find_membership_of(connection: AsyncConnection, kit_id: int, user_id: int) -> Membership | None:
    """Return this user's membership of this kit, or None."""
    row = KitMembershipRow
    statement = select(row.__table__).where(row.kit_id == kit_id, row.user_id == user_id)
    found = (await connection.execute(statement)).mappings().one_or_none()
    return Membership(**found) if found else None


async def full_members_of(connection: AsyncConnection, kit_id: int) -> Sequence[str]:
    """Return the display names of the members with full access, the first one first."""
    names = await connection.scalars(
        select(UserRow.display_name)
        .join(KitMembershipRow, KitMembershipRow.user_id == UserRow.id)
        .where(KitMembershipRow.kit_id == kit_id, KitMembershipRow.access_super)
        .order_by(KitMembershipRow.id)
    )
    return names.all()


async def require_room_for_kit(connection: AsyncConnection, user_id: int, most: int) -> None:
    """Raise QuotaReached if the user manages the maximum number of kits; locks the user's row.

    Kits have no owner, so the kits that the user has full access to are counted.
    """
    managed = select(func.count()).where(KitMembershipRow.user_id == user_id, KitMembershipRow.access_super)
    await require_room(connection, user_id, managed, most, "kits that you manage")


async def require_room_for_member(connection: AsyncConnection, kit_id: int, user_id: int, most: int) -> None:
    """Raise QuotaReached if the kit has the maximum number of members and the user is not one of them.

    The caller has locked the kit.
    """
    others = select(func.count()).where(KitMembershipRow.kit_id == kit_id, KitMembershipRow.user_id != user_id)
    own = select(KitMembershipRow.id).where(
        KitMembershipRow.kit_id == kit_id, KitMembershipRow.user_id == user_id
    )
    if (await connection.scalar(others) or 0) >= most and await connection.scalar(own) is None:
        raise QuotaReached(most, "members of this kit")


async def add_member(
    connection: AsyncConnection,
    kit_id: int,
    user_id: int,
    *,
    access_super: bool,
    access_configure: bool,
    now: datetime,
) -> RowMapping:
    """Add the user as a member; an existing membership is not changed. The caller commits."""
    await connection.execute(
        insert(KitMembershipRow)
        .values(
            user_id=user_id,
            kit_id=kit_id,
            datetime_linked=now,
            access_super=access_super,
            access_configure=access_configure,
        )
        .on_conflict_do_nothing()
    )
    statement = _MEMBERSHIPS.where(KitMembershipRow.kit_id == kit_id, KitMembershipRow.user_id == user_id)
    return (await connection.execute(statement)).mappings().one()


async def change_member(
    connection: AsyncConnection, membership: Membership, *, access_super: bool, access_configure: bool
) -> None:
    """Set the member's access. The caller has locked the kit, and commits. Raises RequiresOneSuperMember."""
    if not access_super:
        await _require_another_super_member(connection, membership)
    await connection.execute(
        update(KitMembershipRow)
        .where(KitMembershipRow.id == membership.id)
        .values(access_super=access_super, access_configure=access_configure)
    )


async def remove_member(connection: AsyncConnection, membership: Membership) -> None:
    """End the membership. The caller has locked the kit, and commits. Raises RequiresOneSuperMember."""
    await _require_another_super_member(connection, membership)
    await connection.execute(delete(KitMembershipRow).where(KitMembershipRow.id == membership.id))
    await announce_kit_access(connection, membership.kit_id)


async def _require_another_super_member(connection: AsyncConnection, membership: Membership) -> None:
    if not membership.access_super:
        return
    others = await connection.scalar(
        select(func.count()).where(
            KitMembershipRow.kit_id == membership.kit_id,
            KitMembershipRow.access_super,
            KitMembershipRow.id != membership.id,
        )
    )
    if not others:
        raise RequiresOneSuperMember
