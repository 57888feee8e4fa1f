"""Password resets: a token sent by mail lets its recipient choose a new password."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.accounts.email_addresses import is_email_address
from hortus.domain.accounts.log_ins import end_all_log_ins
from hortus.domain.accounts.passwords import Passwords
from hortus.domain.accounts.profiles import find_profile_by_address
from hortus.domain.accounts.store import find_user, set_password
from hortus.domain.accounts.tokens import InvalidToken, TokenFault, Tokens


class ResetMailer(Protocol):
    """Sends users the token with which they choose a new password."""

    async def send(self, *, email_address: str, username: str, token: str) -> None:
        """Submit the message for delivery. Raises OperationalError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordReset:
    """The contents of a password reset mail."""

    email_address: str
    username: str
    token: str


async def find_password_reset(
    connection: AsyncConnection, tokens: Tokens, email_address: str
) -> PasswordReset | None:
    """Return the reset to send to this address; None if no account has it."""
    profile = (
        await find_profile_by_address(connection, email_address) if is_email_address(email_address) else None
    )
    user = await find_user(connection, profile.id) if profile else None
    if profile is None or user is None:
        return None
    token = tokens.password_reset(user.id, user.password_stamp)
    return PasswordReset(email_address=profile.email_address, username=profile.username, token=token)


async def send_password_reset(
    reading: AbstractAsyncContextManager[AsyncConnection],
    tokens: Tokens,
    mailer: ResetMailer,
    email_address: str,
) -> None:
    """Send a token to the account with this address; do nothing if there is none. Raises OperationalError.

    The time taken reveals whether the address has an account: call this after answering the request. The
    connection is released before the mailer takes one: many requests at once would each hold one connection
    and wait for a second.
    """
    async with reading as connection:
        reset = await find_password_reset(connection, tokens, email_address)
    if reset is not None:
        await mailer.send(email_address=reset.email_address, username=reset.username, token=reset.token)


async def redeem_password_reset(
    connection: AsyncConnection, tokens: Tokens, passwords: Passwords, token: str, new_password: str
) -> None:
    """Replace the password that the token is bound to, and end all log-ins. The caller commits.

    Raises InvalidToken, also for a token that was already used, or InvalidAccount.
    """
    claims = tokens.read_password_reset(token)
    user = await find_user(connection, claims.user_id)
    if user is None or user.password_stamp != claims.password_stamp:
        raise InvalidToken(TokenFault.EXPIRED)
    await set_password(connection, passwords, user.username, new_password)
    await end_all_log_ins(connection, user.id)
