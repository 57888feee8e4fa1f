"""User profiles: finding and changing them."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.language.appearance import Appearance, Clock, TemperatureUnit, Theme
from hortus.domain.accounts.appearance import APPEARANCE_COLUMNS, appearance_in
from hortus.domain.accounts.email_addresses import canonical_address, forms_of, is_email_address
from hortus.domain.accounts.name_lookup import faults_of_taken_name, has_username
from hortus.domain.accounts.rules import (
    MOST_EMAIL_CHARACTERS,
    MOST_USERNAME_CHARACTERS,
    AccountRule,
    BrokenAccountRule,
    InvalidAccount,
    broken_by_username,
)
from hortus.domain.accounts.tables import UserRow
from hortus.domain.accounts.usernames import canonical_username, composed, is_shown_as_named, shown_name

MOST_DISPLAY_NAME_CHARACTERS = MOST_USERNAME_CHARACTERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A user's profile, including the fields that only the user may see."""

    id: int
    username: str
    display_name: str
    email_address: str
    use_email_address_for_gravatar: bool
    gravatar_alternative: str
    appearance: Appearance


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileChange:
    """Fields to change; None leaves a field unchanged. An empty language or time zone means none of one's own.

    A new user name, which may have spaces, also becomes the display name if that was the old user name.
    """

    username: str | None = None
    display_name: str | None = None
    email_address: str | None = None
    use_email_address_for_gravatar: bool | None = None
    time_zone: str | None = None
    language: str | None = None
    temperature_unit: TemperatureUnit | None = None
    clock: Clock | None = None
    theme: Theme | None = None
    shortcuts: bool | None = None


PROFILE_COLUMNS = (
    UserRow.id,
    UserRow.username,
    UserRow.display_name,
    UserRow.email_address,
    UserRow.use_email_address_for_gravatar,
    UserRow.gravatar_alternative,
    *APPEARANCE_COLUMNS,
)

_CHOICES = ("use_email_address_for_gravatar", "temperature_unit", "clock", "theme", "shortcuts")
_ABSENT_IF_EMPTY = ("time_zone", "language")


def profile_in(row: RowMapping) -> Profile:
    """Return the profile in a row that has PROFILE_COLUMNS, among others."""
    return Profile(
        id=row["id"],
        username=row["username"],
        display_name=row["display_name"],
        email_address=row["email_address"],
        use_email_address_for_gravatar=row["use_email_address_for_gravatar"],
        gravatar_alternative=row["gravatar_alternative"],
        appearance=appearance_in(row),
    )


async def find_profile(connection: AsyncConnection, user_id: int) -> Profile | None:
    """Return the user's profile, or None."""
    return await _find(connection, UserRow.id == user_id)


async def find_profile_by_name(connection: AsyncConnection, username: str) -> Profile | None:
    """Return the profile with this user name (case-insensitive), or None."""
    return await _find(connection, has_username(username))


async def find_profile_by_address(connection: AsyncConnection, email_address: str) -> Profile | None:
    """Return the profile with this e-mail address, in whatever case and form of its domain, or None."""
    if "\0" in email_address:
        return None
    # Earlier versions took the two forms of a domain for two addresses; then the one that was typed counts.
    rows = await connection.execute(
        select(*PROFILE_COLUMNS)
        .where(UserRow.email_address.in_(forms_of(email_address)))
        .order_by((UserRow.email_address == email_address.lower()).desc(), UserRow.id)
        .limit(1)
    )
    row = rows.mappings().one_or_none()
    return profile_in(row) if row else None


async def suggest_profiles(connection: AsyncConnection, part: str, most: int) -> list[Profile]:
    """Return the profiles whose user name contains the text; those whose name starts with it come first."""
    if "\0" in part:
        return []
    sought = canonical_username(part)
    begins = UserRow.username.startswith(sought, autoescape=True)
    rows = await connection.execute(
        select(*PROFILE_COLUMNS)
        .where(UserRow.username.contains(sought, autoescape=True))
        .order_by(begins.desc(), UserRow.username)
        .limit(most)
    )
    return [profile_in(row) for row in rows.mappings()]


async def change_profile(connection: AsyncConnection, user_id: int, change: ProfileChange) -> None:
    """Change the given fields. The caller commits. Raises InvalidAccount with all faults at once."""
    values: dict[str, object] = {}
    broken: list[BrokenAccountRule] = []
    if change.username is not None:
        renamed, faults = await _renamed(connection, user_id, composed(change.username).strip())
        values |= renamed
        broken += faults
    if change.display_name is not None:
        values["display_name"] = change.display_name
        broken += _broken_by_display_name(change.display_name)
    if change.email_address is not None:
        # Stored as at sign-up, or two accounts could have the same address.
        values["email_address"] = canonical_address(change.email_address)
        broken += _broken_by_email_address(change.email_address)
        if not broken and await _is_of_another(connection, user_id, change.email_address):
            raise InvalidAccount((_TAKEN,))
    for name in (*_CHOICES, *_ABSENT_IF_EMPTY):
        if (chosen := getattr(change, name)) is not None:
            values[name] = None if name in _ABSENT_IF_EMPTY and not chosen else chosen
    if broken:
        raise InvalidAccount(tuple(broken))
    if not values:
        return
    try:
        async with connection.begin_nested():
            await connection.execute(update(UserRow).where(UserRow.id == user_id).values(values))
    except IntegrityError as error:
        # Another request took the name or the address since the check.
        taken = await faults_of_taken_name(connection, change.username or "", except_user_id=user_id)
        raise InvalidAccount(taken or (_TAKEN,)) from error


async def _renamed(
    connection: AsyncConnection, user_id: int, username: str
) -> tuple[dict[str, object], tuple[BrokenAccountRule, ...]]:
    """Return the columns to change for a new user name, and the rules that it breaks."""
    profile = await find_profile(connection, user_id)
    if profile is None or username == shown_name(profile.username, profile.display_name):
        return {}, ()
    values: dict[str, object] = {}
    if is_shown_as_named(profile.username, profile.display_name):
        values["display_name"] = username
    if canonical_username(username) == profile.username:
        return values, ()
    values["username"] = canonical_username(username)
    broken = broken_by_username(username, spaces_allowed=True)
    return values, broken or await faults_of_taken_name(connection, username, except_user_id=user_id)


_TAKEN = BrokenAccountRule(
    field="emailAddress",
    rule=AccountRule.TAKEN,
    message="The e-mail address belongs to another account.",
)


async def _is_of_another(connection: AsyncConnection, user_id: int, email_address: str) -> bool:
    others = select(UserRow.id).where(UserRow.email_address.in_(forms_of(email_address)), UserRow.id != user_id)
    return await connection.scalar(others.limit(1)) is not None


async def _find(connection: AsyncConnection, condition: ColumnElement[bool]) -> Profile | None:
    row = (await connection.execute(select(*PROFILE_COLUMNS).where(condition))).mappings().one_or_none()
    return profile_in(row) if row else None


def _broken_by_display_name(name: str) -> list[BrokenAccountRule]:
    if 1 <= len(name) <= MOST_DISPLAY_NAME_CHARACTERS:
        return []
    message = f"A display name has 1 to {MOST_DISPLAY_NAME_CHARACTERS} characters."
    return [_length(field="displayName", message=message, maximum=MOST_DISPLAY_NAME_CHARACTERS)]


def _broken_by_email_address(address: str) -> list[BrokenAccountRule]:
    broken = []
    if not is_email_address(address):
        message = "This is not an e-mail address. An address looks like name@example.org."
        broken.append(BrokenAccountRule(field="emailAddress", rule=AccountRule.EMAIL_ADDRESS, message=message))
    if max(len(address), len(address.lower())) > MOST_EMAIL_CHARACTERS:
        message = f"An e-mail address has at most {MOST_EMAIL_CHARACTERS} characters."
        broken.append(_length(field="emailAddress", message=message, maximum=MOST_EMAIL_CHARACTERS))
    return broken


def _length(*, field: str, message: str, maximum: int) -> BrokenAccountRule:
    return BrokenAccountRule(field=field, rule=AccountRule.LENGTH, message=message, minimum=1, maximum=maximum)
