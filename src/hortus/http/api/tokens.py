"""Endpoints for authentication: tokens, log-ins, passwords and API keys (http-api 2)."""

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

from hortus.base.errors import OperationalError, describe_error
from hortus.domain.accounts.api_keys import (
    DEFAULT_LIFETIME,
    LONGEST_LIFETIME,
    MOST_KEY_NAME_CHARACTERS,
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
from hortus.domain.accounts.rules import LEAST_PASSWORD_CHARACTERS, InvalidAccount
from hortus.domain.accounts.store import User
from hortus.domain.accounts.tokens import InvalidToken, TokenFault
from hortus.http.access.addresses import network_of
from hortus.http.access.caller import CurrentCaller
from hortus.http.access.devices import remember_device
from hortus.http.access.own_account import WrongPassword, replace_own_password
from hortus.http.access.passwords import authenticated
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

log = logging.getLogger(__name__)

router = APIRouter(tags=["Log-in"])


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
    """The current and the new password."""

    current_password: Annotated[str, ANY_TEXT]
    new_password: Annotated[str, Field(json_schema_extra={"minLength": LEAST_PASSWORD_CHARACTERS}), ANY_TEXT]


class ResetRequestBody(JsonBody):
    """The email address of the account whose password was forgotten."""

    email_address: Annotated[str, ANY_TEXT]


class ResetBody(JsonBody):
    """The token from the reset email, and the new password."""

    token: Annotated[str, ANY_TEXT]
    new_password: Annotated[str, Field(json_schema_extra={"minLength": LEAST_PASSWORD_CHARACTERS}), ANY_TEXT]


def _parse_time(value: Any) -> Any:
    return parse_time(value) if isinstance(value, str) else value


def _parse_scopes(value: Any) -> Any:
    if not isinstance(value, list) or not value or any(each not in set(Scope) for each in value):
        raise ValueError(f"expected one or more of {', '.join(Scope)}")
    return [Scope(each) for each in value]


class NewKeyBody(JsonBody):
    """The API key to create. Without `expiresAt` it is valid for one year."""

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
    """Returns an access token and a refresh token.

    A wrong user name and a wrong password get the same answer, after the same time.
    """
    user = await authenticated(request, services, body.username, body.password)
    if user is None:
        raise invalid_parameters({"username": [OTHER], "password": [OTHER]})
    async with services.writing() as connection:
        token_id = await start_log_in(connection, user, services.clock())
    response = _token_pair(request, services, user, token_id)
    remember_device(request, response, services.tokens, user.username)
    return response


@router.post(
    "/me/refresh",
    responses=WITH_BODY,
    openapi_extra=request_body(RefreshBody, {"refreshToken": "ey…"}),
    summary="Refresh an access token",
)
async def refresh(
    request: Request, services: UsedServices, body: Annotated[RefreshBody, Depends(json_body(RefreshBody))]
) -> JsonReply[str]:
    """Returns a new access token. The refresh token stays the same."""
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
    """Ends the log-in of this refresh token. Its access tokens expire within 16 minutes."""
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
    summary="List your log-ins",
)
async def show_log_ins(services: UsedServices, caller: CurrentCaller) -> JsonReply[list[LogInObject]]:
    """Lists where you are logged in, most recently used first."""
    user_id = caller.require_person()
    async with services.reading() as connection:
        log_ins = await list_log_ins(connection, user_id, services.clock())
    return JsonReply([log_in_object(log_in) for log_in in log_ins])


@router.delete(
    "/me/log-ins", response_class=Response, responses=problems(401, 403), summary="Log out everywhere"
)
async def end_log_ins(services: UsedServices, caller: CurrentCaller) -> Response:
    """Ends all of your log-ins. Their access tokens expire within 16 minutes."""
    user_id = caller.require_person()
    async with services.writing() as connection:
        await end_all_log_ins(connection, user_id)
    return empty_reply()


@router.delete(
    "/me/log-ins/{logInId}",
    response_class=Response,
    responses=problems(401, 403, 404),
    summary="End a log-in",
)
async def end_one_log_in(
    services: UsedServices, caller: CurrentCaller, log_in_id: Annotated[UUID, Path(alias="logInId")]
) -> Response:
    """Ends one of your log-ins, for example on another device."""
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
    summary="Change your password",
)
async def change_password(
    request: Request,
    services: UsedServices,
    body: Annotated[PasswordBody, Depends(json_body(PasswordBody))],
    caller: CurrentCaller,
) -> JsonReply[TokenPair]:
    """Ends all of your log-ins and returns the tokens of a new one. API keys stay valid."""
    profile = await current_profile(services, caller.require_person())
    try:
        user = await replace_own_password(
            services, profile.id, profile.username, body.current_password, body.new_password
        )
    except WrongPassword as error:
        raise invalid_parameters({"currentPassword": [OTHER]}, "The current password is wrong.") from error
    except InvalidAccount as error:
        raise invalid_account(error, _NEW_PASSWORD) from error
    async with services.writing() as connection:
        token_id = await start_log_in(connection, user, services.clock())
    return _token_pair(request, services, user, token_id)


@router.post(
    "/password-resets",
    status_code=202,
    response_class=Response,
    responses=problems(403) | WITH_BODY,
    openapi_extra=request_body(ResetRequestBody, {"emailAddress": "flora@example.org"}),
    summary="Request a password reset",
)
async def request_reset(
    request: Request,
    services: UsedServices,
    body: Annotated[ResetRequestBody, Depends(json_body(ResetRequestBody))],
) -> Response:
    """Sends a reset token by email. The answer is the same whether or not the address is known."""
    mailer = services.parts.reset_mailer
    if mailer is None:
        raise forbidden("This server does not send mail. Ask the operator, who can run `hortus user password`.")
    services.limits.password_resets.take(network_of(request))
    # Sent after the answer: the response time must not reveal whether the address is known.
    sending = BackgroundTask(_send_reset, services, mailer, body.email_address)
    return Response(status_code=202, background=sending)


@router.post(
    "/password-resets/redeem",
    response_class=Response,
    responses=WITH_BODY,
    openapi_extra=request_body(ResetBody, {"token": "ey…", "newPassword": "Not any more."}),
    summary="Reset a password",
)
async def redeem_reset(
    services: UsedServices, body: Annotated[ResetBody, Depends(json_body(ResetBody))]
) -> Response:
    """Sets a new password with the token from the reset email.

    The token works once, within 30 minutes. All log-ins of the account end.
    """
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
    summary="List your API keys",
)
async def show_keys(services: UsedServices, caller: CurrentCaller) -> JsonReply[list[ApiKeyObject]]:
    """Lists your API keys in the order in which they were created, without their secrets."""
    user_id = caller.require_person()
    async with services.reading() as connection:
        keys = await list_keys(connection, user_id)
    return JsonReply([api_key_object(key) for key in keys])


@router.post(
    "/me/api-keys",
    status_code=201,
    responses=problems(401, 403) | WITH_BODY,
    openapi_extra=request_body(NewKeyBody, {"name": "Notebook", "scopes": ["read"]}),
    summary="Create an API key",
)
async def create_key(
    services: UsedServices,
    body: Annotated[NewKeyBody, Depends(json_body(NewKeyBody))],
    caller: CurrentCaller,
) -> JsonReply[NewApiKeyObject]:
    """The response contains the key, which is not shown again. Send it as the bearer token."""
    profile = await current_profile(services, caller.require_person())
    now = services.clock()
    expires_at = body.expires_at or now + DEFAULT_LIFETIME
    reasons: dict[str, list[Reason]] = {}
    if not 1 <= len(body.name) <= MOST_KEY_NAME_CHARACTERS:
        reasons["name"] = [length_between(1, MOST_KEY_NAME_CHARACTERS)]
    if not now < expires_at <= now + LONGEST_LIFETIME:
        reasons["expiresAt"] = [OTHER]
    if reasons:
        raise invalid_parameters(reasons, "A key needs a name, and must expire within the next five years.")
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
    """The key stops working immediately."""
    user_id = caller.require_person()
    async with services.writing() as connection:
        if not await delete_key(connection, user_id, key_id):
            raise not_found()
    return empty_reply()


@contextmanager
def _token_named(parameter: str) -> Iterator[None]:
    """Reject this parameter of the body if the token in it is not valid."""
    try:
        yield
    except InvalidToken as error:
        raise invalid_parameters({parameter: [invalid_token(error.fault)]}) from error


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
        log.error("could not send a password reset mail: %s", describe_error(error))
