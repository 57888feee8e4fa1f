"""Who sends a request, by bearer token or API key, else anonymous (http-api 2.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from hortus.domain.accounts.api_keys import ALL_SCOPES, KEY_PREFIX, Scope, find_key_holder
from hortus.domain.accounts.log_ins import log_in_holds
from hortus.domain.accounts.tokens import InvalidToken, TokenFault
from hortus.http.access.addresses import network_of
from hortus.http.access.services import Services, services_of
from hortus.http.conventions.json_body import limit_anonymous_body
from hortus.http.conventions.problems import (
    Problem,
    TokenCategory,
    forbidden,
    not_found,
    unauthorized,
)

_CALLER = "hortus.caller"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The sender of a request. `user_id` is None if anonymous; `fault` is what is wrong with their token.

    Whether the user still exists is checked where something depends on it.
    """

    user_id: int | None = None
    fault: TokenCategory = "missing"
    scopes: frozenset[Scope] = ALL_SCOPES
    is_key: bool = False

    def refusal(self) -> Problem:
        """Return the problem for something hidden from this caller.

        Without a valid token the answer is 401 for hidden and for nonexistent things alike; with one it is 404
        for both. So nobody learns that a private thing exists, and the front-end shows its page for private
        kits.
        """
        return unauthorized(self.fault) if self.user_id is None else not_found()

    def denial(self, detail: str | None = None) -> Problem:
        """Return the problem for an action that this caller is not allowed on something they can see."""
        return unauthorized(self.fault) if self.user_id is None else forbidden(detail)

    def require_user(self) -> int:
        """Return the user's id. Raises Problem 401 for anonymous callers."""
        if self.user_id is None:
            raise unauthorized(self.fault)
        return self.user_id

    def require_person(self) -> int:
        """Return the id of a logged-in user. Raises Problem 401, or 403 for API keys.

        A key that could change passwords or create keys would have all rights of its owner.
        """
        user_id = self.require_user()
        if self.is_key:
            raise forbidden("An API key cannot be used for this. Log in with the password.")
        return user_id

    def require_scope(self, scope: Scope) -> int:
        """Return the user's id. Raises Problem 401, or 403 for API keys without this scope."""
        user_id = self.require_user()
        if scope not in self.scopes:
            raise forbidden(f"This needs an API key with the scope {scope}.")
        return user_id


async def identify(request: Request) -> None:
    """Identify the sender of this request, for `CurrentCaller`. Raises Problem 429."""
    services = await services_of(request)
    caller = await find_caller(request, services, request.headers.get("authorization"))
    if caller.user_id is None:
        limit_anonymous_body(request)
    request.scope[_CALLER] = caller


async def find_caller(request: Request, services: Services, authorization: str | None) -> Caller:
    """Return the caller with this `Authorization` header.

    Raises Problem 429 when there are too many requests from anonymous callers.
    """
    caller = await _caller_of(authorization, services)
    if caller.user_id is None:
        services.limits.anonymous.take(network_of(request))
    return caller


async def _identified(request: Request) -> Caller:
    caller: Caller = request.scope[_CALLER]
    return caller


CurrentCaller = Annotated[Caller, Depends(_identified)]


async def _caller_of(authorization: str | None, services: Services) -> Caller:
    if authorization is None:
        return Caller()
    scheme, _, credential = authorization.partition(" ")
    credential = credential.strip()
    if scheme.lower() != "bearer" or not credential:
        return Caller(fault="malformed")
    if credential.startswith(KEY_PREFIX):
        return await _holder_of(credential, services)
    try:
        return Caller(user_id=services.tokens.read_access(credential))
    except InvalidToken as error:
        return await _caller_in_session(credential, services) or Caller(fault=error.fault.value)


async def _caller_in_session(token: str, services: Services) -> Caller | None:
    """Return the caller of a session token, or None if it is not one."""
    try:
        claims = services.tokens.read_session(token)
    except InvalidToken as error:
        return Caller(fault="expired") if error.fault is TokenFault.EXPIRED else None
    async with services.reading() as connection:
        holds = await log_in_holds(connection, claims)
    return Caller(user_id=claims.user_id) if holds else Caller(fault="expired")


async def _holder_of(key: str, services: Services) -> Caller:
    async with services.reading() as connection:
        holder = await find_key_holder(connection, key, services.clock())
    if holder is None:
        # Deleted, expired and invented keys get the same answer.
        return Caller(fault="expired")
    return Caller(user_id=holder.user_id, scopes=holder.scopes, is_key=True)
