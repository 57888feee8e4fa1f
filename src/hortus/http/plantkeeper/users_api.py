"""Log-in and accounts (plantkeeper 4.3 and 4.5)."""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BeforeValidator
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response
from typing_extensions import TypedDict

from hortus.domain.accounts.log_ins import end_all_log_ins, start_log_in
from hortus.domain.accounts.passwords import Passwords
from hortus.domain.accounts.profiles import ProfileChange, change_profile, find_profile_by_address
from hortus.domain.accounts.store import create_user, set_password
from hortus.domain.accounts.tokens import SESSION_LIFETIME
from hortus.domain.plants.account_deletion import delete_account
from hortus.http.access.addresses import network_of
from hortus.http.access.caller import Caller
from hortus.http.access.devices import remember_device, rename_device
from hortus.http.access.known_accounts import telling_seldom
from hortus.http.access.passwords import authenticated, knows_password
from hortus.http.access.services import Services, UsedServices
from hortus.http.conventions.documentation import request_body
from hortus.http.conventions.json_body import JsonBody
from hortus.http.conventions.replies import JsonReply, empty_reply
from hortus.http.conventions.texts import ANY_TEXT
from hortus.http.plantkeeper.accounts import PlantKeeperUser, find_account, list_accounts
from hortus.http.plantkeeper.answers import (
    ALWAYS,
    LOGGED_IN,
    NO_ACCESS,
    WITH_BODY,
    WITH_ID,
    Refused,
    not_found,
    refusals,
)
from hortus.http.plantkeeper.form_body import form_or_json, form_or_json_of
from hortus.http.plantkeeper.form_values import empty_as_null
from hortus.http.plantkeeper.plants import LinkedPlant, plants_of_user, plants_visible_to
from hortus.http.plantkeeper.requests import (
    Person,
    Reader,
    ReaderByAnyHeader,
    UserId,
    body_of,
)
from hortus.http.plantkeeper.rows import (
    PlainUser,
    UserWithRelations,
    user_row,
    user_with_relations_row,
)
from hortus.http.plantkeeper.sensors import Sensor, list_sensors, list_sensors_of

router = APIRouter(tags=["Users"], responses=ALWAYS)


class Token(TypedDict):
    """A token that is valid for one day."""

    access_token: str


class LogInBody(JsonBody):
    """Email address and password."""

    email: Annotated[str, ANY_TEXT]
    password: Annotated[str, ANY_TEXT]


class NewUserBody(JsonBody):
    """The account to create. A requested role is ignored."""

    username: Annotated[str, ANY_TEXT]
    email: Annotated[str, ANY_TEXT]
    password: Annotated[str, ANY_TEXT]


class UserChangeBody(JsonBody):
    """The fields to change; an empty text changes nothing. A new password requires the current one."""

    username: Annotated[str | None, BeforeValidator(empty_as_null), ANY_TEXT] = None
    email: Annotated[str | None, BeforeValidator(empty_as_null), ANY_TEXT] = None
    password: Annotated[str | None, ANY_TEXT] = None
    current_password: Annotated[str | None, ANY_TEXT] = None


@router.post(
    "/auth/login",
    status_code=201,
    responses=refusals(401) | WITH_BODY,
    openapi_extra=form_or_json(LogInBody),
    summary="Log in",
)
async def log_in(
    request: Request, services: UsedServices, wanted: Annotated[LogInBody, Depends(form_or_json_of(LogInBody))]
) -> JsonReply[Token]:
    """Returns a token that is valid for one day. Logging out or changing the password ends it earlier."""
    async with services.reading() as connection:
        profile = await find_profile_by_address(connection, wanted.email.replace("\0", ""))
    # Counted by user name, like the other ways to log in; an unknown address counts as itself.
    username = profile.username if profile else wanted.email
    user = await authenticated(request, services, username, wanted.password)
    if user is None or profile is None:
        raise Refused(401, "Unauthorized")
    async with services.writing() as connection:
        token_id = await start_log_in(connection, user, services.clock(), SESSION_LIFETIME)
        account = await find_account(connection, user.id)
    if account is None:
        raise Refused(401, "Unauthorized")
    row = user_row(account)
    # The claims that PlantKeeper's clients read from the token.
    claims = {"sub": str(user.id), "email": row["email"], "username": row["username"], "role": row["role"]}
    token: Token = {"access_token": services.tokens.session(user.id, token_id, claims)}
    response = JsonReply(token, status_code=201)
    remember_device(request, response, services.tokens, user.username)
    return response


async def _require_open_sign_up(services: UsedServices) -> None:
    if not services.parts.sign_up_open:
        raise Refused(403, "Sign-up is closed on this server. Ask the operator for an account.")


@router.post(
    "/users",
    status_code=201,
    dependencies=[Depends(_require_open_sign_up)],
    responses=refusals(403) | WITH_BODY,
    openapi_extra=form_or_json(NewUserBody),
    summary="Sign up",
)
async def sign_up(
    request: Request,
    services: UsedServices,
    wanted: Annotated[NewUserBody, Depends(form_or_json_of(NewUserBody))],
) -> JsonReply[PlainUser]:
    """Creates an account. Available only where the operator has opened sign-up to everyone."""
    services.limits.sign_ups.take(network_of(request))
    asker = network_of(request)
    async with services.writing() as connection:
        with telling_seldom(services.limits.known_accounts, asker):
            user = await create_user(
                connection,
                services.passwords,
                username=wanted.username.strip(),
                email_address=wanted.email,
                password=wanted.password,
                spaces_allowed=True,
            )
        account = await find_account(connection, user.id)
    assert account is not None
    return JsonReply(user_row(account), status_code=201)


@router.get("/users", responses=LOGGED_IN, summary="List all users")
async def list_users(services: UsedServices, caller: ReaderByAnyHeader) -> JsonReply[list[UserWithRelations]]:
    """For administrators only, who may also send an API key in the header `token`."""
    now = services.clock()
    async with services.reading() as connection:
        if not (await _account_of(connection, caller)).is_admin:
            raise Refused(403, "Only administrators may see all users.")
        accounts = await list_accounts(connection)
        sensors = await list_sensors(connection, now)
        plants = await plants_visible_to(connection, caller, now)
    sensors_of: defaultdict[int | None, list[Sensor]] = defaultdict(list)
    for sensor in sensors:
        sensors_of[sensor.owner_id].append(sensor)
    plants_of: defaultdict[int | None, list[LinkedPlant]] = defaultdict(list)
    for linked in plants:
        plants_of[linked.plant.owner_id].append(linked)
    return JsonReply(
        [
            user_with_relations_row(account, sensors_of[account.id], plants_of[account.id])
            for account in accounts
        ]
    )


@router.get("/profile", responses=LOGGED_IN, summary="Get your account with sensors and plants")
@router.get("/users/me", responses=LOGGED_IN, summary="Get your account with sensors and plants")
async def show_me(services: UsedServices, caller: Reader) -> JsonReply[UserWithRelations]:
    """Returns the account that the token belongs to."""
    async with services.reading() as connection:
        account = await _account_of(connection, caller)
        return JsonReply(await _with_relations(services, connection, caller, account))


@router.patch(
    "/users/me",
    responses=LOGGED_IN | WITH_BODY,
    openapi_extra=request_body(UserChangeBody),
    summary="Update your user name, email address or password",
)
async def change_me(
    request: Request,
    services: UsedServices,
    caller: Person,
    wanted: Annotated[UserChangeBody, Depends(body_of(UserChangeBody))],
) -> JsonReply[UserWithRelations]:
    """A new password requires the current one. Log-ins and API keys outlast a new user name.

    A token shows the user name of its log-in until it expires. The role cannot be changed here.
    """
    async with services.reading() as connection:
        account = await _account_of(connection, caller)
    if wanted.password:
        await _require_password(services, account, wanted.current_password)
    async with services.writing() as connection:
        with telling_seldom(services.limits.known_accounts, f"user {account.id}"):
            change = ProfileChange(username=wanted.username, email_address=wanted.email)
            await change_profile(connection, account.id, change)
        changed = await _account_of(connection, caller)
        if wanted.password:
            await _set_password(connection, services.passwords, changed, wanted.password)
        response = JsonReply(await _with_relations(services, connection, caller, changed))
    rename_device(request, response, services.tokens, account.username, changed.username)
    return response


@router.get("/users/{id}", responses=LOGGED_IN | WITH_ID, summary="Get a user with sensors and plants")
async def show_user(services: UsedServices, caller: Reader, user_id: UserId) -> JsonReply[UserWithRelations]:
    """Returns your own account; administrators can get any account."""
    async with services.reading() as connection:
        account = await _reachable(connection, caller, user_id)
        return JsonReply(await _with_relations(services, connection, caller, account))


@router.delete(
    "/users/{id}",
    response_class=Response,
    responses=LOGGED_IN | WITH_ID,
    summary="Delete an account",
)
async def delete_user(services: UsedServices, caller: Person, user_id: UserId) -> Response:
    """Deletes your own account; administrators can delete any account. Its kits and readings are kept."""
    async with services.long_change() as connection:
        await _reachable(connection, caller, user_id)
        await delete_account(connection, user_id)
    return empty_reply()


async def _require_password(services: Services, account: PlantKeeperUser, password: str | None) -> None:
    if password is None or not await knows_password(services, account.id, account.username, password):
        raise Refused(422, "To change the password, send the current one as currentPassword.")


async def _account_of(connection: AsyncConnection, caller: Caller) -> PlantKeeperUser:
    account = await find_account(connection, caller.require_user())
    if account is None:
        raise Refused(401, NO_ACCESS)
    return account


async def _reachable(connection: AsyncConnection, caller: Caller, user_id: int) -> PlantKeeperUser:
    own = await _account_of(connection, caller)
    account = await find_account(connection, user_id)
    if account is None or not (own.is_admin or own.id == user_id):
        raise not_found(f"User {user_id}")
    return account


async def _with_relations(
    services: Services, connection: AsyncConnection, caller: Caller, account: PlantKeeperUser
) -> UserWithRelations:
    now = services.clock()
    sensors = await list_sensors_of(connection, account.id, now, owned_only=True)
    plants = await plants_of_user(connection, caller, account.id, now)
    return user_with_relations_row(account, sensors, plants)


async def _set_password(
    connection: AsyncConnection, passwords: Passwords, account: PlantKeeperUser, password: str
) -> None:
    """Set a password, which ends all log-ins including this one."""
    await set_password(connection, passwords, account.username, password)
    await end_all_log_ins(connection, account.id)
