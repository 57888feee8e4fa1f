"""Accounts in the database."""

from __future__ import annotations

import asyncio
import hashlib
import shlex
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from hortus.base.database.access_changes import announce_user_access
from hortus.base.errors import UsageError
from hortus.base.language.appearance import DEFAULT_APPEARANCE, Appearance
from hortus.domain.accounts.appearance import APPEARANCE_COLUMNS, appearance_in
from hortus.domain.accounts.email_addresses import canonical_address, forms_of
from hortus.domain.accounts.name_lookup import faults_of_taken_name, has_username
from hortus.domain.accounts.passwords import Passwords, generate_password
from hortus.domain.accounts.rules import (
    AccountRule,
    BrokenAccountRule,
    InvalidAccount,
    broken_by_password,
    broken_rules,
)
from hortus.domain.accounts.tables import UserRow
from hortus.domain.accounts.usernames import canonical_username, composed

# Of each of the two look-ups of a log-in: a person waits for them.
_DATABASE_SECONDS = 5.0

# http-api 2.4 says 32 characters; all that matters is that they are random and not derived from the address.
_GRAVATAR_ALTERNATIVE_LENGTH = 32


class UserNotFound(UsageError):
    """No account has this user name."""

    def __init__(self, username: str) -> None:
        super().__init__(
            f"There is no user {username!r}. "
            f"`hortus user create {shlex.quote(username)}` creates an account of that name."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user. `password_stamp` changes with the password, which ends whatever is bound to the old one.

    `time_zone` is the name of the zone in which they said that they live.
    """

    id: int
    username: str
    display_name: str
    is_admin: bool
    password_stamp: str
    appearance: Appearance = DEFAULT_APPEARANCE


async def create_user(
    connection: AsyncConnection,
    passwords: Passwords,
    *,
    username: str,
    email_address: str,
    password: str,
    is_admin: bool = False,
    spaces_allowed: bool = False,
) -> User:
    """Create an account. The caller commits. Raises InvalidAccount with all faults at once.

    User name and e-mail address are stored in lower case, the address with its domain as people write it; the
    display name is the user name as typed. Whether the name may have spaces depends on the client.
    """
    username = composed(username)
    name, address = canonical_username(username), canonical_address(email_address)
    broken = broken_rules(username, email_address, password, spaces_allowed=spaces_allowed)
    if not broken:
        broken = await _taken(connection, username, address)
    if broken:
        raise InvalidAccount(broken)
    password_hash = await passwords.hash(password)
    statement = insert(UserRow).values(
        username=name,
        display_name=username,
        password_hash=password_hash,
        email_address=address,
        gravatar_alternative=(generate_password() + generate_password())[:_GRAVATAR_ALTERNATIVE_LENGTH],
        is_admin=is_admin,
    )
    try:
        async with connection.begin_nested():
            user_id = await connection.scalar(statement.returning(UserRow.id))
    except IntegrityError as error:
        # Another request took the name or the address since the check.
        raise InvalidAccount(await _taken(connection, username, address)) from error
    assert user_id is not None
    return User(
        id=user_id,
        username=name,
        display_name=username,
        is_admin=is_admin,
        password_stamp=password_stamp(password_hash),
    )


async def find_user(connection: AsyncConnection, user_id: int) -> User | None:
    """Return the user with this id, or None."""
    row = (await connection.execute(select(*_COLUMNS).where(UserRow.id == user_id))).one_or_none()
    return _user_in(row) if row else None


async def authenticate(engine: AsyncEngine, passwords: Passwords, username: str, password: str) -> User | None:
    """Return the user if name and password match, else None; a wrong name takes as long as a wrong password.

    A hash in an outdated form is upgraded. No connection is held while the password is checked.
    Raises TooManyLogins, or TimeoutError if the database hangs.
    """
    by_name = select(*_COLUMNS).where(has_username(username)).limit(1)
    async with asyncio.timeout(_DATABASE_SECONDS), engine.connect() as connection:
        row = (await connection.execute(by_name)).one_or_none()
    verdict = await passwords.verify(password, row.password_hash if row else None)
    if row is None or not verdict.fits:
        return None
    if not verdict.needs_upgrade:
        return _user_in(row)
    password_hash = await passwords.hash(password)
    async with asyncio.timeout(_DATABASE_SECONDS), engine.begin() as connection:
        # Only the verified hash is replaced: the password may have been changed in between.
        unchanged = (UserRow.id == row.id, UserRow.password_hash == row.password_hash)
        await connection.execute(update(UserRow).where(*unchanged).values(password_hash=password_hash))
        return await find_user(connection, row.id)


async def set_password(connection: AsyncConnection, passwords: Passwords, username: str, password: str) -> None:
    """Set a user's password, which ends all of their sessions. The caller commits.

    Raises UserNotFound or InvalidAccount.
    """
    broken = broken_by_password(password, username)
    if broken:
        raise InvalidAccount(broken)
    user_id = await connection.scalar(
        update(UserRow)
        .where(has_username(username))
        .values(password_hash=await passwords.hash(password))
        .returning(UserRow.id)
    )
    if user_id is None:
        raise UserNotFound(username)
    await announce_user_access(connection, user_id)


_COLUMNS = (
    UserRow.id,
    UserRow.username,
    UserRow.display_name,
    UserRow.is_admin,
    UserRow.password_hash,
    *APPEARANCE_COLUMNS,
)


def _user_in(row: Any) -> User:
    return User(
        id=row.id,
        username=row.username,
        display_name=row.display_name,
        is_admin=row.is_admin,
        password_stamp=password_stamp(row.password_hash),
        appearance=appearance_in(row._mapping),  # noqa: SLF001  (SQLAlchemy's documented name)
    )


def password_stamp(password_hash: str) -> str:
    """Return a value that changes with the password and reveals nothing about it."""
    return hashlib.sha256(password_hash.encode()).hexdigest()[:16]


async def _taken(
    connection: AsyncConnection, username: str, email_address: str
) -> tuple[BrokenAccountRule, ...]:
    broken = [*await faults_of_taken_name(connection, username)]
    with_address = select(UserRow.id).where(UserRow.email_address.in_(forms_of(email_address)))
    if await connection.scalar(with_address) is not None:
        message = f"The e-mail address {email_address} belongs to another account."
        broken.append(BrokenAccountRule(field="emailAddress", rule=AccountRule.TAKEN, message=message))
    return tuple(broken)
