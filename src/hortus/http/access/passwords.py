"""Checks of passwords for the APIs, within the limits on guessing."""

from __future__ import annotations

from starlette.requests import HTTPConnection

from hortus.domain.accounts.store import User, authenticate
from hortus.http.access.devices import guesser_of
from hortus.http.access.log_in_limits import Guesser
from hortus.http.access.services import Services
from hortus.http.server.database_access import database_failures_translated


async def authenticated(
    request: HTTPConnection, services: Services, username: str, password: str
) -> User | None:
    """Return the user with this name and password, or None. Raises Problem 429 and DatabaseNotAnswering."""
    return await _authenticated(services, guesser_of(request, services.tokens, username), password)


async def knows_password(services: Services, user_id: int, username: str, password: str) -> bool:
    """Return whether a user who is logged in knows the password, however often strangers guess it elsewhere.

    Raises Problem 429 and DatabaseNotAnswering.
    """
    guesser = Guesser(network="", username=username, known_device=f"user {user_id}")
    return await _authenticated(services, guesser, password) is not None


async def _authenticated(services: Services, guesser: Guesser, password: str) -> User | None:
    async with services.limits.log_ins.attempt(guesser) as attempt:
        with database_failures_translated():
            user = await authenticate(services.parts.engine, services.passwords, guesser.username, password)
        attempt.was_wrong = user is None
    return user
