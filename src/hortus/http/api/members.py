"""Endpoints for the members of a kit (http-api 4.5)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from sqlalchemy.engine import RowMapping
from starlette.responses import Response

from hortus.base.times import format_time
from hortus.domain.accounts.profiles import profile_in
from hortus.domain.accounts.room import QuotaReached
from hortus.domain.kits.members import RequiresOneSuperMember, members_of_kit
from hortus.http.access.caller import Caller, CurrentCaller
from hortus.http.access.kit_access import access_to_kit
from hortus.http.access.member_changes import (
    NoSuchPerson,
    add_member_named,
    change_membership,
    end_membership,
    suggested_people,
)
from hortus.http.access.permissions import Permission
from hortus.http.access.services import UsedServices
from hortus.http.api.kits import KitSerial
from hortus.http.conventions.documentation import GUARDED, HIDDEN, WITH_BODY, problems, request_body
from hortus.http.conventions.json_body import JsonBody, json_body
from hortus.http.conventions.parameters import Identifier
from hortus.http.conventions.problems import forbidden, not_found, requires_one_super_member
from hortus.http.conventions.replies import JsonReply, empty_reply
from hortus.http.documents.accounts import User, user_object
from hortus.http.documents.kits import ChangedMembership, KitMembership, membership_object

router = APIRouter(tags=["Members"])

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
        try:
            row = await add_member_named(
                connection,
                services,
                access,
                body.username,
                access_super=body.access_super,
                access_configure=body.access_configure,
            )
        except NoSuchPerson as error:
            raise not_found() from error
        except QuotaReached as error:
            raise forbidden(str(error)) from error
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
        profiles = await suggested_people(connection, access, username)
    return JsonReply([user_object(profile, caller.user_id) for profile in profiles])


@router.patch(
    "/kit-memberships/{kitMembershipId}",
    responses=GUARDED | WITH_BODY,
    openapi_extra=request_body(MemberChangeBody, {"accessConfigure": True, "accessSuper": False}),
    summary="Change a member's access",
)
async def update_membership(
    services: UsedServices,
    body: Annotated[MemberChangeBody, Depends(json_body(MemberChangeBody))],
    caller: CurrentCaller,
    membership_id: MembershipId,
) -> JsonReply[ChangedMembership]:
    """The last member with super access cannot lose it."""
    async with services.writing() as connection:
        try:
            membership = await change_membership(
                connection,
                caller,
                membership_id,
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
        try:
            await end_membership(connection, caller, membership_id)
        except RequiresOneSuperMember as error:
            raise requires_one_super_member() from error
    return empty_reply()


def _membership(row: RowMapping, caller: Caller, *, is_exact: bool) -> KitMembership:
    user = user_object(profile_in(row), caller.user_id)
    return membership_object(row, user, is_exact=is_exact)
