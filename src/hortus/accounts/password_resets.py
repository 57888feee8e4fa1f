"""Forgotten passwords: a token goes out by mail, and with it a new password is chosen."""

from __future__ import annotations

from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.accounts.log_ins import end_all_log_ins
from hortus.accounts.passwords import Passwords
from hortus.accounts.profiles import find_profile_by_address
from hortus.accounts.rules import is_email_address
from hortus.accounts.store import find_user, set_password
from hortus.accounts.tokens import Fault, InvalidToken, Tokens


class ResetMailer(Protocol):
    """Sends people the token with which they choose a new password."""

    async def send(self, *, email_address: str, username: str, token: str) -> None:
        """Hand the message over for delivery. Raises OperationalError."""


async def send_password_reset(
    connection: AsyncConnection, tokens: Tokens, mailer: ResetMailer, email_address: str
) -> None:
    """Send a token to whoever has this address; do nothing if nobody has. Raises OperationalError.

    How long it takes tells whether somebody has it: call it after whoever asked got their answer.
    """
    profile = (
        await find_profile_by_address(connection, email_address) if is_email_address(email_address) else None
    )
    user = await find_user(connection, profile.id) if profile else None
    if profile is None or user is None:
        return
    token = tokens.password_reset(user.id, user.password_stamp)
    await mailer.send(email_address=profile.email_address, username=profile.username, token=token)


async def redeem_password_reset(
    connection: AsyncConnection, tokens: Tokens, passwords: Passwords, token: str, new_password: str
) -> None:
    """Replace the password that the token is bound to, and end all log-ins. The caller commits.

    Raises InvalidToken, also if the token was used before, or InvalidAccount.
    """
    claims = tokens.read_password_reset(token)
    user = await find_user(connection, claims.user_id)
    if user is None or user.password_stamp != claims.password_stamp:
        raise InvalidToken(Fault.EXPIRED)
    await set_password(connection, passwords, user.username, new_password)
    await end_all_log_ins(connection, user.id)
