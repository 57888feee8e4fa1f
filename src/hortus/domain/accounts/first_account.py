"""The first account of an installation: an administrator, made by anyone who has the set-up link.

The link's token is derived from the installation's key: it is the same in all processes and needs no storage.
It is good for nothing once there is an account.
"""

from __future__ import annotations

import base64
import hmac
from hashlib import sha256

from sqlalchemy import exists, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.errors import UsageError
from hortus.domain.accounts.passwords import Passwords
from hortus.domain.accounts.store import User, create_user
from hortus.domain.accounts.tables import UserRow

_PURPOSE = b"hortus: the link that makes the first account"

# Two who follow the link at once must not both become administrator. Readers are not held up.
_ONE_AT_A_TIME = text("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE")


class AlreadySetUp(UsageError):
    """There is an account, so the set-up link has done its work."""


class WrongSetUpLink(UsageError):
    """The token is not that of this installation."""


def set_up_token(key: bytes) -> str:
    """Return the token of the set-up link; `key` is the installation's key that signs tokens."""
    return base64.urlsafe_b64encode(hmac.digest(key, _PURPOSE, sha256)).decode().rstrip("=")


async def has_accounts(connection: AsyncConnection) -> bool:
    """Return whether anyone has an account."""
    return bool(await connection.scalar(select(exists().select_from(UserRow))))


async def create_first_administrator(
    connection: AsyncConnection,
    passwords: Passwords,
    key: bytes,
    *,
    token: str,
    username: str,
    email_address: str,
    password: str,
) -> User:
    """Create the first account. The caller commits. Raises AlreadySetUp, WrongSetUpLink or InvalidAccount."""
    if not hmac.compare_digest(token.encode(), set_up_token(key).encode()):
        raise WrongSetUpLink
    await connection.execute(_ONE_AT_A_TIME)
    if await has_accounts(connection):
        raise AlreadySetUp
    return await create_user(
        connection,
        passwords,
        username=username,
        email_address=email_address,
        password=password,
        is_admin=True,
    )
