"""Signing up, for the API and the pages: the same limits and answers for both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import HTTPConnection

from hortus.domain.accounts.store import User, create_user
from hortus.domain.kits.invitations import Invitation, accept_invitation, find_invitation
from hortus.http.access.addresses import network_of
from hortus.http.access.known_accounts import telling_seldom
from hortus.http.access.services import Services
from hortus.http.conventions.problems import forbidden


async def sign_up(
    request: HTTPConnection,
    services: Services,
    *,
    username: str,
    email_address: str,
    password: str,
    invitation: str | None = None,
) -> User:
    """Create an account, and a membership with the token of an invitation, which works where sign-up is closed.

    Raises Problem 403 or 429, InvalidAccount, InvitationEnded, QuotaReached, or DatabaseNotAnswering.
    """
    if invitation is None and not services.parts.sign_up_open:
        raise forbidden("Sign-up is closed on this server. Ask the operator, who can run `hortus user create`.")
    network = network_of(request)
    services.limits.sign_ups.take(network)
    async with _changing(services, network) as connection:
        if invitation is not None:
            # Before the account: without a good invitation, nobody learns which names are taken.
            await find_invitation(connection, invitation, services.clock())
        user = await create_user(
            connection,
            services.passwords,
            username=username,
            email_address=email_address,
            password=password,
        )
        if invitation is not None:
            await accept(connection, services, invitation, user.id)
    return user


async def accept(connection: AsyncConnection, services: Services, token: str, user_id: int) -> Invitation:
    """Use an invitation. Raises InvitationEnded or QuotaReached."""
    most = services.parts.quotas.members_per_kit
    return await accept_invitation(connection, token, user_id, services.clock(), most)


@asynccontextmanager
async def _changing(services: Services, network: str) -> AsyncIterator[AsyncConnection]:
    with telling_seldom(services.limits.known_accounts, network):
        async with services.writing() as connection:
            yield connection
