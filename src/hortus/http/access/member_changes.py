"""Changes of a kit's members and invitations, with the same rights and limits for the API and the pages."""

from __future__ import annotations

from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.errors import UsageError
from hortus.domain.accounts.profiles import Profile, find_profile_by_name, suggest_profiles
from hortus.domain.kits.invitations import create_invitation, find_invitation_of_id, withdraw_invitation
from hortus.domain.kits.members import (
    Membership,
    add_member,
    change_member,
    find_membership,
    remove_member,
    require_room_for_member,
)
from hortus.http.access.caller import Caller
from hortus.http.access.kit_access import KitAccess, access_to_kit_of_id, lock_kit
from hortus.http.access.permissions import Permission
from hortus.http.access.services import Services

MOST_SUGGESTIONS = 20


class NoSuchPerson(UsageError):
    """There is no account with this user name, or the kit was deleted meanwhile."""


def permission_for(*, access_super: bool) -> Permission:
    """Return the permission that it takes to give or take this access."""
    return Permission.EDIT_SUPER_MEMBERS if access_super else Permission.EDIT_MEMBERS


async def add_member_named(
    connection: AsyncConnection,
    services: Services,
    access: KitAccess,
    username: str,
    *,
    access_super: bool,
    access_configure: bool,
) -> RowMapping:
    """Make a person a member; who is one already keeps their access. The caller commits.

    Raises Problem 401 or 403, NoSuchPerson or QuotaReached.
    """
    access.require(permission_for(access_super=access_super))
    profile = await find_profile_by_name(connection, username)
    if profile is None or not await lock_kit(connection, access.kit_id):
        raise NoSuchPerson
    if not access.kit["is_admin"]:
        most = services.parts.quotas.members_per_kit
        await require_room_for_member(connection, access.kit_id, profile.id, most)
    return await add_member(
        connection,
        access.kit_id,
        profile.id,
        access_super=access_super,
        access_configure=access_configure,
        now=services.clock(),
    )


async def suggested_people(connection: AsyncConnection, access: KitAccess, part: str) -> list[Profile]:
    """Return people whose user name contains the text. Raises Problem 401 or 403."""
    access.require(Permission.EDIT_MEMBERS)
    return await suggest_profiles(connection, part, MOST_SUGGESTIONS)


async def change_membership(
    connection: AsyncConnection,
    caller: Caller,
    membership_id: int,
    *,
    access_super: bool,
    access_configure: bool,
) -> Membership:
    """Set a member's access and return the membership as it was. The caller commits.

    Raises Problem 401, 403 or 404, or RequiresOneSuperMember.
    """
    access, membership = await _membership_and_kit(connection, caller, membership_id)
    access.require(permission_for(access_super=access_super or membership.access_super))
    await change_member(connection, membership, access_super=access_super, access_configure=access_configure)
    return membership


async def end_membership(connection: AsyncConnection, caller: Caller, membership_id: int) -> Membership:
    """End a membership; members may always leave. The caller commits.

    Raises Problem 401, 403 or 404, or RequiresOneSuperMember.
    """
    access, membership = await _membership_and_kit(connection, caller, membership_id)
    if membership.user_id != caller.user_id or caller.is_key:
        access.require(permission_for(access_super=membership.access_super))
    await remove_member(connection, membership)
    return membership


async def invite(
    connection: AsyncConnection,
    services: Services,
    access: KitAccess,
    *,
    access_super: bool,
    access_configure: bool,
    uses: int,
    note: str | None,
) -> tuple[int, str]:
    """Make an invitation and return its id and token. The caller commits.

    Raises Problem 401 or 403, InvalidInvitation or QuotaReached.
    """
    access.require(permission_for(access_super=access_super))
    user_id = access.caller.require_user()
    await lock_kit(connection, access.kit_id)
    return await create_invitation(
        connection,
        access.kit_id,
        user_id,
        access_super=access_super,
        access_configure=access_configure,
        uses=uses,
        note=note,
        now=services.clock(),
    )


async def withdraw(connection: AsyncConnection, caller: Caller, invitation_id: int) -> None:
    """Withdraw an invitation. The caller commits. Raises Problem 401, 403 or 404."""
    found = await find_invitation_of_id(connection, invitation_id)
    access = await access_to_kit_of_id(connection, caller, found[0] if found else None)
    access.require(permission_for(access_super=bool(found and found[1])))
    if not await withdraw_invitation(connection, invitation_id):
        raise caller.refusal()


async def _membership_and_kit(
    connection: AsyncConnection, caller: Caller, membership_id: int
) -> tuple[KitAccess, Membership]:
    """Return the membership and its kit, locked. Raises Problem 401 or 404."""
    membership = await find_membership(connection, membership_id)
    access = await access_to_kit_of_id(connection, caller, membership.kit_id if membership else None)
    await lock_kit(connection, access.kit_id)
    # Read again: it may have changed before we got the lock.
    membership = await find_membership(connection, membership_id)
    if membership is None:
        raise caller.refusal()
    return access, membership
