"""Endpoints for accounts: signing up, profiles and the kits a person shares (http-api 4.2)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from pydantic import Field
from starlette.responses import Response

from hortus.base.language.appearance import CHOOSABLE_LANGUAGES, Clock, TemperatureUnit, Theme
from hortus.domain.accounts.api_keys import Scope
from hortus.domain.accounts.profiles import (
    Profile,
    ProfileChange,
    find_profile,
    find_profile_by_name,
)
from hortus.domain.accounts.room import QuotaReached
from hortus.domain.accounts.rules import LEAST_PASSWORD_CHARACTERS, InvalidAccount
from hortus.domain.kits.invitations import InvitationEnded
from hortus.domain.kits.members import memberships_of_user
from hortus.http.access.caller import Caller, CurrentCaller
from hortus.http.access.kit_access import role_in, sees_exact_position
from hortus.http.access.own_account import change_own_profile
from hortus.http.access.permissions import Permission, permissions_of, within_scopes
from hortus.http.access.services import Services, UsedServices
from hortus.http.access.sign_ups import sign_up as make_account
from hortus.http.conventions.documentation import HIDDEN, WITH_BODY, problems, request_body
from hortus.http.conventions.json_body import JsonBody, json_body
from hortus.http.conventions.problems import (
    OTHER,
    forbidden,
    invalid_parameters,
    not_found,
    unauthorized,
)
from hortus.http.conventions.replies import JsonReply, empty_reply
from hortus.http.conventions.texts import ANY_TEXT, LANGUAGE, NAME, TimeZoneText
from hortus.http.documents.accounts import (
    FullUser,
    User,
    full_user_object,
    invalid_account,
    user_object,
)
from hortus.http.documents.kits import KitMembership, membership_object

router = APIRouter(tags=["People"])

Username = Annotated[str, Path(description="Not case-sensitive.")]


class NewUserBody(JsonBody):
    """The account to create."""

    username: Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": 40}), ANY_TEXT]
    password: Annotated[str, Field(json_schema_extra={"minLength": LEAST_PASSWORD_CHARACTERS}), ANY_TEXT]
    email_address: Annotated[str, Field(json_schema_extra={"format": "email", "maxLength": 255}), ANY_TEXT]
    invitation: Annotated[str | None, Field(description="The last part of an invitation's link."), ANY_TEXT] = (
        None
    )


class ProfileBody(JsonBody):
    """The fields to change. A field that is absent or null keeps its value."""

    display_name: Annotated[str | None, Field(json_schema_extra={"minLength": 1, "maxLength": 40}), NAME] = None
    email_address: Annotated[
        str | None, Field(json_schema_extra={"format": "email", "maxLength": 255}), ANY_TEXT
    ] = None
    use_email_address_for_gravatar: bool | None = None
    time_zone: TimeZoneText = None
    language: Annotated[
        str | None,
        Field(
            description="Of the pages. An empty text means as the browser asks.",
            json_schema_extra={"enum": ["", *CHOOSABLE_LANGUAGES]},
        ),
        LANGUAGE,
    ] = None
    temperature_unit: Annotated[TemperatureUnit | None, Field(strict=False)] = None
    clock: Annotated[Clock | None, Field(strict=False)] = None
    theme: Annotated[Theme | None, Field(strict=False)] = None
    shortcuts: bool | None = None


@router.post(
    "/users",
    status_code=201,
    response_class=Response,
    responses=WITH_BODY | problems(403),
    openapi_extra=request_body(
        NewUserBody, {"username": "Flora", "password": "It all adds up.", "emailAddress": "flora@example.org"}
    ),
    summary="Sign up",
)
async def sign_up(
    request: Request, services: UsedServices, body: Annotated[NewUserBody, Depends(json_body(NewUserBody))]
) -> Response:
    """Create an account. Without an invitation, only where the operator has opened sign-up to everyone.

    With the token of an invitation, the new person is also a member of its kit.
    """
    try:
        await make_account(
            request,
            services,
            username=body.username,
            email_address=body.email_address,
            password=body.password,
            invitation=body.invitation,
        )
    except InvalidAccount as error:
        raise invalid_account(error) from error
    except InvitationEnded as error:
        raise invalid_parameters({"invitation": [OTHER]}, str(error)) from error
    except QuotaReached as error:
        raise forbidden(str(error)) from error
    return empty_reply(201)


@router.get("/users/{username}", responses=problems(404), summary="Get a person's public profile")
async def show_user(services: UsedServices, caller: CurrentCaller, username: Username) -> JsonReply[User]:
    """Public profiles are visible to everyone. Email addresses are shown only to their owners."""
    async with services.reading() as connection:
        profile = await find_profile_by_name(connection, username)
    if profile is None:
        raise not_found()
    return JsonReply(user_object(profile, _viewer_of_address(caller)))


@router.patch(
    "/users/{username}",
    responses=HIDDEN | problems(403) | WITH_BODY,
    openapi_extra=request_body(ProfileBody, {"displayName": "Flora Green"}),
    summary="Update your profile",
)
async def change_user(
    services: UsedServices,
    body: Annotated[ProfileBody, Depends(json_body(ProfileBody))],
    caller: CurrentCaller,
    username: Username,
) -> JsonReply[User]:
    """You can change only your own profile. Requires a log-in; an API key is not enough."""
    user_id = caller.require_person()
    async with services.reading() as connection:
        profile = await find_profile_by_name(connection, username)
    if profile is None:
        raise not_found()
    if profile.id != user_id:
        raise forbidden("You can change only your own profile.")
    try:
        await change_own_profile(services, user_id, ProfileChange(**body.model_dump()))
    except InvalidAccount as error:
        raise invalid_account(error) from error
    return JsonReply(user_object(await current_profile(services, user_id), user_id))


@router.get(
    "/users/{username}/kit-memberships",
    responses=problems(404),
    summary="List a person's kits",
)
async def list_memberships(
    services: UsedServices, caller: CurrentCaller, username: Username
) -> JsonReply[list[KitMembership]]:
    """Lists the person's memberships, limited to the kits that you can see."""
    async with services.reading() as connection:
        profile = await find_profile_by_name(connection, username)
        if profile is None:
            raise not_found()
        rows = await memberships_of_user(connection, profile.id, caller.user_id)
    user = user_object(profile, _viewer_of_address(caller))
    visible = [row for row in rows if _may_see(caller, row)]
    return JsonReply(
        [membership_object(row, user, is_exact=sees_exact_position(caller, row)) for row in visible]
    )


@router.get("/me", responses=problems(401, 403), summary="Get your own account")
async def show_me(services: UsedServices, caller: CurrentCaller) -> JsonReply[FullUser]:
    """Returns the account that the access token or API key belongs to."""
    return JsonReply(full_user_object(await current_profile(services, caller.require_scope(Scope.READ))))


async def current_profile(services: Services, user_id: int) -> Profile:
    """Return the profile of the logged-in user. Raises Problem 401 if the account no longer exists."""
    async with services.reading() as connection:
        profile = await find_profile(connection, user_id)
    if profile is None:
        raise unauthorized("expired")
    return profile


def _viewer_of_address(caller: Caller) -> int | None:
    """Return the user who may see their own e-mail address: None for an API key without the scope to read."""
    return caller.user_id if Scope.READ in caller.scopes else None


def _may_see(caller: Caller, row: Any) -> bool:
    is_public = row["privacy_public_dashboard"]
    permissions = permissions_of(role_in(row), is_public=is_public)
    return Permission.VIEW in within_scopes(permissions, caller.scopes, is_public=is_public)
