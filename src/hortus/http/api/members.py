"""Endpoints for the members of a kit (http-api 4.5)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from hortus.base.times import format_time
from hortus.domain.accounts.profiles import find_profile_by_name, profile_in, suggest_profiles
from hortus.domain.accounts.room import QuotaReached
from hortus.domain.kits.members import (
    Membership,
    RequiresOneSuperMember,
    add_member,
    change_member,
    find_membership,
    members_of_kit,
    remove_member,
    require_room_for_member,
)
from hortus.http.access.caller import Caller, CurrentCaller
from hortus.http.access.kit_access import (
    KitAccess,
    access_to_kit,
    access_to_kit_of_id,
    lock_kit,
)
from hortus.http.access.permissions import Permission
from hortus.http.access.services import Services, UsedServices
from hortus.http.api.kits import KitSerial
from hortus.http.conventions.documentation import GUARDED, HIDDEN, WITH_BODY, problems, request_body
from hortus.http.conventions.json_body import JsonBody, json_body
from hortus.http.conventions.parameters import Identifier
from hortus.http.conventions.problems import forbidden, not_found, requires_one_super_member
from hortus.http.conventions.replies import JsonReply, empty_reply
from hortus.http.documents.accounts import User, user_object
from hortus.http.documents.kits import ChangedMembership, KitMembership, membership_object

router = APIRouter(tags=["Members"])

MOST_SUGGESTIONS = 20

MembershipId = Annotated[Identifier, Path(alias="kitMembershipId")]


class NewMemberBody(JsonBody):
    """The person to add as a member."""

    username: str
    access_configure: bool
    access_super: bool


class MemberChangeBody(JsonBody):
    """The member's new access rights."""

    access_configure: bool
    access_super: bool


@router.get(
    "/kits/{kitSerial}/members",
    responses=HIDDEN | problems(403),
    summary="List a kit's members",
)
async def list_members(
    services: UsedServices, caller: CurrentCaller, serial: KitSerial
) -> JsonReply[list[KitMembership]]:
    """Lists the members in the order in which they joined."""
    async with services.reading() as connection:
        access = await access_to_kit(connection, caller, serial)
        access.require(Permission.VIEW)
        rows = await members_of_kit(connection, access.kit_id)
    return JsonReply([_membership(row, caller, is_exact=access.sees_exact_position) for row in rows])


@router.post(
    "/kits/{kitSerial}/members",
    responses=GUARDED | WITH_BODY,
    openapi_extra=request_body(
        NewMemberBody, {"username": "flora", "accessConfigure": False, "accessSuper": False}
    ),
    summary="Add a member",
)
async def create_member(
    services: UsedServices,
    body: Annotated[NewMemberBody, Depends(json_body(NewMemberBody))],
    caller: CurrentCaller,
    serial: KitSerial,
) -> JsonReply[KitMembership]:
    """If the person is already a member, their access does not change."""
    async with services.writing() as connection:
        access = await access_to_kit(connection, caller, serial)
        access.require(_permission_for(body.access_super))
        profile = await find_profile_by_name(connection, body.username)
        if profile is None or not await lock_kit(connection, access.kit_id):
            raise not_found()
        await _require_room(services, connection, access, profile.id)
        row = await add_member(
            connection,
            access.kit_id,
            profile.id,
            access_super=body.access_super,
            access_configure=body.access_configure,
            now=services.clock(),
        )
    return JsonReply(_membership(row, caller, is_exact=True))


@router.get(
    "/kits/{kitSerial}/member-suggestions",
    responses=GUARDED,
    summary="Find people to add as members",
)
async def suggest_members(
    services: UsedServices, caller: CurrentCaller, serial: KitSerial, username: Annotated[str, Query()]
) -> JsonReply[list[User]]:
    """Returns up to 20 people whose user name contains the text, including current members."""
    async with services.reading() as connection:
        access = await access_to_kit(connection, caller, serial)
        access.require(Permission.EDIT_MEMBERS)
        profiles = await suggest_profiles(connection, username, MOST_SUGGESTIONS)
    return JsonReply([user_object(profile, caller.user_id) for profile in profiles])


@router.patch(
    "/kit-memberships/{kitMembershipId}",
    responses=GUARDED | WITH_BODY,
    openapi_extra=request_body(MemberChangeBody, {"accessConfigure": True, "accessSuper": False}),
    summary="Change a member's access",
)
async def change_membership(
    services: UsedServices,
    body: Annotated[MemberChangeBody, Depends(json_body(MemberChangeBody))],
    caller: CurrentCaller,
    membership_id: MembershipId,
) -> JsonReply[ChangedMembership]:
    """The last member with super access cannot lose it."""
    async with services.writing() as connection:
        access, membership = await _membership_and_kit(connection, caller, membership_id)
        access.require(_permission_for(body.access_super or membership.access_super))
        try:
            await change_member(
                connection,
                membership,
                access_super=body.access_super,
                access_configure=body.access_configure,
            )
        except RequiresOneSuperMember as error:
            raise requires_one_super_member() from error
    return JsonReply(
        {
            "id": membership.id,
            "user": membership.user_id,
            "kit": membership.kit_id,
            "datetimeLinked": format_time(membership.datetime_linked),
            "accessSuper": body.access_super,
            "accessConfigure": body.access_configure,
        }
    )


@router.delete(
    "/kit-memberships/{kitMembershipId}",
    response_class=Response,
    responses=GUARDED,
    summary="Remove a member",
)
async def delete_membership(
    services: UsedServices, caller: CurrentCaller, membership_id: MembershipId
) -> Response:
    """Members can always remove themselves. The last member with super access cannot be removed."""
    async with services.writing() as connection:
        access, membership = await _membership_and_kit(connection, caller, membership_id)
        if membership.user_id != caller.user_id or caller.is_key:
            access.require(_permission_for(membership.access_super))
        try:
            await remove_member(connection, membership)
        except RequiresOneSuperMember as error:
            raise requires_one_super_member() from error
    return empty_reply()


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


async def _require_room(
    services: Services, connection: AsyncConnection, access: KitAccess, user_id: int
) -> None:
    if access.kit["is_admin"]:
        return
    try:
        await require_room_for_member(connection, access.kit_id, user_id, services.parts.quotas.members_per_kit)
    except QuotaReached as error:
        raise forbidden(str(error)) from error


def _permission_for(access_super: bool) -> Permission:
    return Permission.EDIT_SUPER_MEMBERS if access_super else Permission.EDIT_MEMBERS


def _membership(row: RowMapping, caller: Caller, *, is_exact: bool) -> KitMembership:
    user = user_object(profile_in(row), caller.user_id)
    return membership_object(row, user, is_exact=is_exact)
