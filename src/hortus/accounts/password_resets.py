"""Choosing a new password with a token that was sent by mail."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.accounts.log_ins import end_all_log_ins
from hortus.accounts.passwords import Passwords
from hortus.accounts.store import find_user, set_password
from hortus.accounts.tokens import Fault, InvalidToken, Tokens


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
