"""Endpoints about being logged in: tokens, log-ins, passwords and API keys (http-api 2)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BeforeValidator, Field, WithJsonSchema
from starlette.background import BackgroundTask
from starlette.responses import Response

from hortus.base.errors import OperationalError
from hortus.domain.accounts.api_keys import (
    DEFAULT_LIFETIME,
    LONGEST_LIFETIME,
    Scope,
    delete_key,
    list_keys,
    make_key,
)
from hortus.domain.accounts.log_ins import (
    end_all_log_ins,
    end_log_in,
    list_log_ins,
    start_log_in,
    use_log_in,
)
from hortus.domain.accounts.password_resets import (
    ResetMailer,
    redeem_password_reset,
    send_password_reset,
)
from hortus.domain.accounts.room import QuotaReached
from hortus.domain.accounts.rules import InvalidAccount
from hortus.domain.accounts.store import User, authenticate, find_user, set_password
from hortus.domain.accounts.tokens import InvalidToken, TokenFault
from hortus.http.access.addresses import network_of
from hortus.http.access.caller import CurrentCaller
from hortus.http.access.services import Services, UsedServices
from hortus.http.api.accounts import current_profile
from hortus.http.conventions.documentation import WITH_BODY, problems, request_body
from hortus.http.conventions.json_body import JsonBody, json_body
from hortus.http.conventions.parameters import Identifier, parse_time
from hortus.http.conventions.problems import (
    OTHER,
    Reason,
    forbidden,
    invalid_parameters,
    invalid_token,
    length_between,
    not_found,
)
from hortus.http.conventions.replies import JsonReply, empty_reply
from hortus.http.conventions.texts import ANY_TEXT, NAME
from hortus.http.documents.accounts import (
    ApiKeyObject,
    LogInObject,
    NewApiKeyObject,
    TokenPair,
    api_key_object,
    invalid_account,
    log_in_object,
)
from hortus.http.live.cookie_api import forget_live_cookie, set_live_cookie
from hortus.http.server.database_access import database_failures_translated

log = logging.getLogger(__name__)

router = APIRouter(tags=["Log-in"])

MOST_KEY_NAME_CHARACTERS = 40

_NEW_PASSWORD = {"password": "newPassword"}

_PAIR_EXAMPLE = {"username": "flora", "password": "It all adds up."}


class LogInBody(JsonBody):
    """User name and password."""

    username: Annotated[str, ANY_TEXT]
    password: Annotated[str, ANY_TEXT]


class RefreshBody(JsonBody):
    """A refresh token."""

    refresh_token: Annotated[str, ANY_TEXT]


class PasswordBody(JsonBody):
    """The present password, and the one to come."""

    current_password: Annotated[str, ANY_TEXT]
    new_password: Annotated[str, Field(json_schema_extra={"minLength": 1}), ANY_TEXT]


class ResetRequestBody(JsonBody):
    """Whose password was forgotten."""

    email_address: Annotated[str, ANY_TEXT]


class ResetBody(JsonBody):
    """The token that was sent by mail, and the password to come."""

    token: Annotated[str, ANY_TEXT]
    new_password: Annotated[str, Field(json_schema_extra={"minLength": 1}), ANY_TEXT]


def _parse_time(value: Any) -> Any:
    return parse_time(value) if isinstance(value, str) else value


def _parse_scopes(value: Any) -> Any:
    if not isinstance(value, list) or not value or any(each not in set(Scope) for each in value):
        raise ValueError(f"one or more of {', '.join(Scope)} are expected")
    return [Scope(each) for each in value]


class NewKeyBody(JsonBody):
    """A key to be made; without `expiresAt` it is valid for a year."""

    name: Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": MOST_KEY_NAME_CHARACTERS}), NAME]
    scopes: Annotated[
        list[Scope],
        BeforeValidator(_parse_scopes),
        WithJsonSchema({"type": "array", "minItems": 1, "items": {"type": "string", "enum": list(Scope)}}),
    ]
    expires_at: Annotated[
        datetime | None,
        BeforeValidator(_parse_time),
        WithJsonSchema({"type": ["string", "null"], "format": "date-time"}),
    ] = None


@router.post(
    "/me/auth",
    responses=WITH_BODY,
    openapi_extra=request_body(LogInBody, _PAIR_EXAMPLE),
    summary="Log in",
)
async def log_in(
    request: Request, services: UsedServices, body: Annotated[LogInBody, Depends(json_body(LogInBody))]
) -> JsonReply[TokenPair]:
    """Whichever of the two is wrong, the answer is the same, and takes the same time."""
    user = await _authenticated(request, services, body.username, body.password)
    if user is None:
        raise invalid_parameters({"username": [OTHER], "password": [OTHER]})
    async with services.writing() as connection:
        token_id = await start_log_in(connection, user, services.clock())
    return _token_pair(request, services, user, token_id)


@router.post(
    "/me/refresh",
    responses=WITH_BODY,
    openapi_extra=request_body(RefreshBody, {"refreshToken": "ey…"}),
    summary="Get a new access token",
)
async def refresh(
    request: Request, services: UsedServices, body: Annotated[RefreshBody, Depends(json_body(RefreshBody))]
) -> JsonReply[str]:
    """The refresh token stays the same."""
    with _token_named("refreshToken"):
        claims = services.tokens.read_refresh(body.refresh_token)
        async with services.writing() as connection:
            user = await use_log_in(connection, claims, services.clock())
    response = JsonReply(services.tokens.access(user.id))
    set_live_cookie(request, response, services.tokens, user_id=user.id, token_id=claims.token_id)
    return response


@router.post(
    "/me/log-out",
    response_class=Response,
    responses=WITH_BODY,
    openapi_extra=request_body(RefreshBody, {"refreshToken": "ey…"}),
    summary="Log out",
)
async def log_out(
    request: Request, services: UsedServices, body: Annotated[RefreshBody, Depends(json_body(RefreshBody))]
) -> Response:
    """End the log-in of this refresh token. Access tokens made with it expire within 16 minutes."""
    with _token_named("refreshToken"):
        try:
            claims = services.tokens.read_refresh(body.refresh_token)
        except InvalidToken as error:
            if error.fault is TokenFault.EXPIRED:
                return _logged_out(request)
            raise
    async with services.writing() as connection:
        await end_log_in(connection, claims.user_id, claims.token_id)
    return _logged_out(request)


@router.get(
    "/me/log-ins",
    responses=problems(401, 403),
    summary="Where one is logged in",
)
async def show_log_ins(services: UsedServices, caller: CurrentCaller) -> JsonReply[list[LogInObject]]:
    """The most recently used first."""
    user_id = caller.require_person()
    async with services.reading() as connection:
        log_ins = await list_log_ins(connection, user_id, services.clock())
    return JsonReply([log_in_object(log_in) for log_in in log_ins])


@router.delete(
    "/me/log-ins", response_class=Response, responses=problems(401, 403), summary="Log out everywhere"
)
async def end_log_ins(services: UsedServices, caller: CurrentCaller) -> Response:
    """End all log-ins. Access tokens made with them expire within 16 minutes."""
    user_id = caller.require_person()
    async with services.writing() as connection:
        await end_all_log_ins(connection, user_id)
    return empty_reply()


@router.delete(
    "/me/log-ins/{logInId}",
    response_class=Response,
    responses=problems(401, 403, 404),
    summary="Log out elsewhere",
)
async def end_one_log_in(
    services: UsedServices, caller: CurrentCaller, log_in_id: Annotated[UUID, Path(alias="logInId")]
) -> Response:
    """End one log-in."""
    user_id = caller.require_person()
    async with services.writing() as connection:
        if not await end_log_in(connection, user_id, log_in_id):
            raise not_found()
    return empty_reply()


@router.post(
    "/me/password",
    responses=problems(401, 403) | WITH_BODY,
    openapi_extra=request_body(
        PasswordBody, {"currentPassword": "It all adds up.", "newPassword": "Not any more."}
    ),
    summary="Change one's password",
)
async def change_password(
    request: Request,
    services: UsedServices,
    body: Annotated[PasswordBody, Depends(json_body(PasswordBody))],
    caller: CurrentCaller,
) -> JsonReply[TokenPair]:
    """End all log-ins, and answer with a new one. API keys stay valid."""
    profile = await current_profile(services, caller.require_person())
    if await _authenticated(request, services, profile.username, body.current_password) is None:
        raise invalid_parameters({"currentPassword": [OTHER]}, "The present password is another.")
    async with services.writing() as connection:
        try:
            await set_password(connection, services.passwords, profile.username, body.new_password)
        except InvalidAccount as error:
            raise invalid_account(error, _NEW_PASSWORD) from error
        await end_all_log_ins(connection, profile.id)
        user = await find_user(connection, profile.id)
        assert user is not None
        token_id = await start_log_in(connection, user, services.clock())
    return _token_pair(request, services, user, token_id)


@router.post(
    "/password-resets",
    status_code=202,
    response_class=Response,
    responses=problems(403) | WITH_BODY,
    openapi_extra=request_body(ResetRequestBody, {"emailAddress": "flora@example.org"}),
    summary="Have a forgotten password reset",
)
async def request_reset(
    request: Request,
    services: UsedServices,
    body: Annotated[ResetRequestBody, Depends(json_body(ResetRequestBody))],
) -> Response:
    """Send a token by mail. The answer is the same whether somebody has this address or not."""
    mailer = services.parts.reset_mailer
    if mailer is None:
        raise forbidden("This server sends no mail. Ask its operator, who can run `hortus user password`.")
    services.limits.password_resets.take(network_of(request))
    # After the answer: the time until then must not tell whether there is anything to send.
    sending = BackgroundTask(_send_reset, services, mailer, body.email_address)
    return Response(status_code=202, background=sending)


@router.post(
    "/password-resets/redeem",
    response_class=Response,
    responses=WITH_BODY,
    openapi_extra=request_body(ResetBody, {"token": "ey…", "newPassword": "Not any more."}),
    summary="Set a new password with a token from a mail",
)
async def redeem_reset(
    services: UsedServices, body: Annotated[ResetBody, Depends(json_body(ResetBody))]
) -> Response:
    """Works once, for half an hour. All log-ins end."""
    try:
        with _token_named("token"):
            async with services.writing() as connection:
                await redeem_password_reset(
                    connection, services.tokens, services.passwords, body.token, body.new_password
                )
    except InvalidAccount as error:
        raise invalid_account(error, _NEW_PASSWORD) from error
    return empty_reply()


@router.get(
    "/me/api-keys",
    responses=problems(401, 403),
    summary="One's API keys",
)
async def show_keys(services: UsedServices, caller: CurrentCaller) -> JsonReply[list[ApiKeyObject]]:
    """In the order of their making, without their secrets."""
    user_id = caller.require_person()
    async with services.reading() as connection:
        keys = await list_keys(connection, user_id)
    return JsonReply([api_key_object(key) for key in keys])


@router.post(
    "/me/api-keys",
    status_code=201,
    responses=problems(401, 403) | WITH_BODY,
    openapi_extra=request_body(NewKeyBody, {"name": "Notebook", "scopes": ["read"]}),
    summary="Make an API key",
)
async def create_key(
    services: UsedServices,
    body: Annotated[NewKeyBody, Depends(json_body(NewKeyBody))],
    caller: CurrentCaller,
) -> JsonReply[NewApiKeyObject]:
    """The key itself is shown this once only; send it as the bearer token."""
    profile = await current_profile(services, caller.require_person())
    now = services.clock()
    expires_at = body.expires_at or now + DEFAULT_LIFETIME
    reasons: dict[str, list[Reason]] = {}
    if not 1 <= len(body.name) <= MOST_KEY_NAME_CHARACTERS:
        reasons["name"] = [length_between(1, MOST_KEY_NAME_CHARACTERS)]
    if not now < expires_at <= now + LONGEST_LIFETIME:
        reasons["expiresAt"] = [OTHER]
    if reasons:
        raise invalid_parameters(reasons, "A key has a name, and expires within the next five years.")
    try:
        async with services.writing() as connection:
            key, secret = await make_key(
                connection,
                profile.id,
                name=body.name,
                scopes=body.scopes,
                expires_at=expires_at,
                now=now,
                most=services.parts.quotas.api_keys_per_person,
            )
    except QuotaReached as error:
        raise forbidden(str(error)) from error
    return JsonReply({**api_key_object(key), "key": secret}, status_code=201)


@router.delete(
    "/me/api-keys/{apiKeyId}",
    response_class=Response,
    responses=problems(401, 403, 404),
    summary="Delete an API key",
)
async def remove_key(
    services: UsedServices, caller: CurrentCaller, key_id: Annotated[Identifier, Path(alias="apiKeyId")]
) -> Response:
    """It is worth nothing from then on."""
    user_id = caller.require_person()
    async with services.writing() as connection:
        if not await delete_key(connection, user_id, key_id):
            raise not_found()
    return empty_reply()


@contextmanager
def _token_named(parameter: str) -> Iterator[None]:
    """Refuse this parameter of the body if the token in it is worth nothing."""
    try:
        yield
    except InvalidToken as error:
        raise invalid_parameters({parameter: [invalid_token(error.fault)]}) from error


async def _authenticated(request: Request, services: Services, username: str, password: str) -> User | None:
    network = network_of(request)
    services.limits.begin_log_in(network, username)
    with database_failures_translated():
        user = await authenticate(services.parts.engine, services.passwords, username, password)
    if user is not None:
        services.limits.log_in_succeeded(network, username)
    return user


def _token_pair(request: Request, services: Services, user: User, token_id: UUID) -> JsonReply[TokenPair]:
    response = JsonReply[TokenPair](
        {
            "refreshToken": services.tokens.refresh(user.id, token_id),
            "accessToken": services.tokens.access(user.id),
        }
    )
    set_live_cookie(request, response, services.tokens, user_id=user.id, token_id=token_id)
    return response


def _logged_out(request: Request) -> Response:
    response = empty_reply()
    forget_live_cookie(request, response)
    return response


async def _send_reset(services: Services, mailer: ResetMailer, email_address: str) -> None:
    try:
        await send_password_reset(services.reading(), services.tokens, mailer, email_address)
    except OperationalError as error:
        log.error("a mail that resets a password was not sent: %s", error)
