"""Changes of one's own account, for the API and the pages: the same limits and rules for both."""

from __future__ import annotations

from hortus.domain.accounts.log_ins import end_all_log_ins
from hortus.domain.accounts.profiles import ProfileChange, change_profile
from hortus.domain.accounts.store import User, find_user, set_password
from hortus.http.access.known_accounts import telling_seldom
from hortus.http.access.passwords import knows_password
from hortus.http.access.services import Services


class WrongPassword(Exception):
    """The present password is another one."""


async def change_own_profile(services: Services, user_id: int, change: ProfileChange) -> None:
    """Change fields of the profile. Raises InvalidAccount or Problem 429."""
    with telling_seldom(services.limits.known_accounts, f"user {user_id}"):
        async with services.writing() as connection:
            await change_profile(connection, user_id, change)


async def replace_own_password(services: Services, user_id: int, username: str, current: str, new: str) -> User:
    """Change the password, which ends all log-ins, and return the user as they are then.

    Raises WrongPassword, InvalidAccount, Problem 429, TooManyLogins or DatabaseNotAnswering.
    """
    if not await knows_password(services, user_id, username, current):
        raise WrongPassword
    async with services.writing() as connection:
        await set_password(connection, services.passwords, username, new)
        await end_all_log_ins(connection, user_id)
        user = await find_user(connection, user_id)
    assert user is not None
    return user
