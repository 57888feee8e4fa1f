"""What administrators do with accounts. Each function writes the log; the caller commits."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.accounts.administrators import require_another_administrator, set_administrator
from hortus.domain.accounts.log_ins import end_all_log_ins
from hortus.domain.accounts.passwords import Passwords, generate_password
from hortus.domain.accounts.profiles import Profile, find_profile_by_name
from hortus.domain.accounts.store import UserNotFound, create_user, find_user
from hortus.domain.accounts.tokens import PASSWORD_LINK_LIFETIME, Tokens
from hortus.domain.administration.log import Deed, note_deed
from hortus.domain.plants.account_deletion import delete_account


@dataclass(frozen=True, slots=True, kw_only=True)
class Administrators:
    """The person who acts, and the parts that this needs."""

    acting: str
    passwords: Passwords
    tokens: Tokens

    async def create_person(
        self, connection: AsyncConnection, *, username: str, email_address: str, is_admin: bool
    ) -> str:
        """Create an account and return a token with which its owner sets the password. Raises InvalidAccount.

        Until then it has a password that nobody knows.
        """
        user = await create_user(
            connection,
            self.passwords,
            username=username,
            email_address=email_address,
            password=generate_password(),
            is_admin=is_admin,
        )
        await note_deed(connection, self.acting, Deed.PERSON_CREATED, user.username)
        if is_admin:
            await note_deed(connection, self.acting, Deed.ADMINISTRATOR_MADE, user.username)
        return self.tokens.password_reset(user.id, user.password_stamp, PASSWORD_LINK_LIFETIME)

    async def make_password_link(self, connection: AsyncConnection, username: str) -> str:
        """Return a token with which this person sets a new password, once. Raises UserNotFound."""
        person = await person_named(connection, username)
        user = await find_user(connection, person.id)
        if user is None:
            raise UserNotFound(username)
        await note_deed(connection, self.acting, Deed.PASSWORD_LINK_MADE, person.username)
        return self.tokens.password_reset(user.id, user.password_stamp, PASSWORD_LINK_LIFETIME)

    async def set_administrator(self, connection: AsyncConnection, username: str, *, is_admin: bool) -> bool:
        """Make this person an administrator, or no longer; return whether this changed anything.

        Raises UserNotFound or LastAdministrator.
        """
        person = await person_named(connection, username)
        if not is_admin:
            await require_another_administrator(connection, person.id)
        has_changed = await set_administrator(connection, person.id, is_admin=is_admin)
        if has_changed:
            deed = Deed.ADMINISTRATOR_MADE if is_admin else Deed.ADMINISTRATOR_UNMADE
            await note_deed(connection, self.acting, deed, person.username)
        return has_changed

    async def end_sessions(self, connection: AsyncConnection, username: str) -> None:
        """End all log-ins of this person. API keys stay. Raises UserNotFound."""
        person = await person_named(connection, username)
        await end_all_log_ins(connection, person.id)
        await note_deed(connection, self.acting, Deed.SESSIONS_ENDED, person.username)

    async def delete_person(self, connection: AsyncConnection, username: str) -> None:
        """Delete an account. Raises UserNotFound, LastAdministrator or SharesKits."""
        person = await person_named(connection, username)
        await require_another_administrator(connection, person.id)
        await delete_account(connection, person.id)
        await note_deed(connection, self.acting, Deed.PERSON_DELETED, person.username)


async def person_named(connection: AsyncConnection, username: str) -> Profile:
    """Return the person with this user name. Raises UserNotFound."""
    person = await find_profile_by_name(connection, username)
    if person is None:
        raise UserNotFound(username)
    return person
