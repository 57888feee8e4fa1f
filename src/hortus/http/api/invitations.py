"""Endpoints for invitations to a kit: links for people with and without an account."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path
from pydantic import Field
from starlette.responses import Response

from hortus.domain.accounts.room import QuotaReached
from hortus.domain.kits.invitations import (
    MOST_NOTE_CHARACTERS,
    MOST_USES,
    InvalidInvitation,
    InvitationEnded,
    find_invitation,
    list_invitations,
)
from hortus.http.access.caller import CurrentCaller
from hortus.http.access.kit_access import access_to_kit
from hortus.http.access.member_changes import invite, withdraw
from hortus.http.access.permissions import Permission
from hortus.http.access.services import UsedServices
from hortus.http.access.sign_ups import accept
from hortus.http.api.accounts import current_profile
from hortus.http.api.kits import KitSerial
from hortus.http.conventions.documentation import GUARDED, WITH_BODY, problems, request_body
from hortus.http.conventions.json_body import JsonBody, json_body
from hortus.http.conventions.parameters import Identifier
from hortus.http.conventions.problems import (
    OTHER,
    Reason,
    forbidden,
    in_range,
    invalid_parameters,
    length_between,
    not_found,
)
from hortus.http.conventions.replies import JsonReply, empty_reply
from hortus.http.conventions.texts import NAME
from hortus.http.documents.invitations import (
    Invitation,
    NewInvitation,
    OpenedInvitation,
    invitation_object,
    opened_invitation_object,
)

router = APIRouter(tags=["Members"])

_Token = Annotated[str, Path(alias="token", description="The last part of the invitation's link.")]
_InvitationId = Annotated[Identifier, Path(alias="invitationId")]


class NewInvitationBody(JsonBody):
    """The invitation to make."""

    access_configure: bool
    access_super: bool
    uses: Annotated[
        int,
        Field(
            description="How many people may use it; one if it gives super access.",
            json_schema_extra={"minimum": 1, "maximum": MOST_USES},
        ),
    ] = 1
    note: Annotated[
        str | None,
        Field(
            description="For whom it is, as a reminder.", json_schema_extra={"maxLength": MOST_NOTE_CHARACTERS}
        ),
        NAME,
    ] = None


@router.get("/kits/{kitSerial}/invitations", responses=GUARDED, summary="List a kit's invitations")
async def show_invitations(
    services: UsedServices, caller: CurrentCaller, serial: KitSerial
) -> JsonReply[list[Invitation]]:
    """Lists those that can still be used, newest first, without their tokens."""
    async with services.reading() as connection:
        access = await access_to_kit(connection, caller, serial)
        access.require(Permission.EDIT_MEMBERS)
        found = await list_invitations(connection, access.kit_id, services.clock())
    return JsonReply([invitation_object(each) for each in found])


@router.post(
    "/kits/{kitSerial}/invitations",
    status_code=201,
    responses=GUARDED | WITH_BODY,
    openapi_extra=request_body(
        NewInvitationBody, {"accessConfigure": False, "accessSuper": False, "uses": 30, "note": "Class 3b"}
    ),
    summary="Make an invitation",
)
async def create_invitation(
    services: UsedServices,
    body: Annotated[NewInvitationBody, Depends(json_body(NewInvitationBody))],
    caller: CurrentCaller,
    serial: KitSerial,
) -> JsonReply[NewInvitation]:
    """Returns a token that works for seven days, and is not shown again.

    The invitation ends when the person who made it may no longer add members.
    """
    reasons: dict[str, list[Reason]] = {}
    if not 1 <= body.uses <= MOST_USES:
        reasons["uses"] = [in_range(1, MOST_USES)]
    if body.note is not None and len(body.note) > MOST_NOTE_CHARACTERS:
        reasons["note"] = [length_between(0, MOST_NOTE_CHARACTERS)]
    if reasons:
        raise invalid_parameters(reasons)
    async with services.writing() as connection:
        access = await access_to_kit(connection, caller, serial)
        try:
            invitation_id, token = await invite(
                connection,
                services,
                access,
                access_super=body.access_super,
                access_configure=body.access_configure,
                uses=body.uses,
                note=body.note,
            )
        except InvalidInvitation as error:
            raise invalid_parameters({"uses": [OTHER]}, str(error)) from error
        except QuotaReached as error:
            raise forbidden(str(error)) from error
        found = await list_invitations(connection, access.kit_id, services.clock())
    made = next(each for each in found if each.id == invitation_id)
    return JsonReply({**invitation_object(made), "token": token}, status_code=201)


@router.delete(
    "/kit-invitations/{invitationId}",
    response_class=Response,
    responses=GUARDED,
    summary="Withdraw an invitation",
)
async def delete_invitation(
    services: UsedServices, caller: CurrentCaller, invitation_id: _InvitationId
) -> Response:
    """The link stops working immediately. People who used it stay members."""
    async with services.writing() as connection:
        await withdraw(connection, caller, invitation_id)
    return empty_reply()


@router.get("/invitations/{token}", responses=problems(404), summary="Get an invitation")
async def show_invitation(services: UsedServices, token: _Token) -> JsonReply[OpenedInvitation]:
    """Tells what an invitation is for. Whoever has the token may know. `POST /users` takes it too."""
    async with services.reading() as connection:
        try:
            found = await find_invitation(connection, token, services.clock())
        except InvitationEnded as error:
            raise not_found() from error
    return JsonReply(opened_invitation_object(found))


@router.post(
    "/invitations/{token}/accept",
    responses=problems(401, 403, 404),
    summary="Accept an invitation",
)
async def accept_invitation(
    services: UsedServices, caller: CurrentCaller, token: _Token
) -> JsonReply[OpenedInvitation]:
    """Makes you a member of the kit. If you are one already, your access does not change."""
    profile = await current_profile(services, caller.require_person())
    try:
        async with services.writing() as connection:
            found = await accept(connection, services, token, profile.id)
    except InvitationEnded as error:
        raise not_found() from error
    except QuotaReached as error:
        raise forbidden(str(error)) from error
    return JsonReply(opened_invitation_object(found))
