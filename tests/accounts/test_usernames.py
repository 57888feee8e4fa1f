"""User names: their spellings in Unicode, spaces, and names that are taken."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.base.database.engine import open_engine
from hortus.base.database.url import DatabaseUrl
from hortus.domain.accounts.passwords import Passwords
from hortus.domain.accounts.profiles import (
    ProfileChange,
    change_profile,
    find_profile_by_name,
    suggest_profiles,
)
from hortus.domain.accounts.rules import AccountRule, InvalidAccount, broken_by_username
from hortus.domain.accounts.store import User, UserNotFound, authenticate, create_user, set_password
from hortus.domain.accounts.usernames import canonical_username
from waiting import until

PASSWORD = "a rose is a rose"
COMPOSED, DECOMPOSED = "J\u00fcrgen M\u00fcller", "Ju\u0308rgen Mu\u0308ller"


@pytest.fixture
async def engine(migrated_database_url: str) -> AsyncIterator[AsyncEngine]:
    async with open_engine(DatabaseUrl.parse(migrated_database_url)) as engine:
        yield engine


async def make(
    engine: AsyncEngine, username: str, email: str = "a@example.org", *, spaced: bool = True
) -> User:
    async with engine.begin() as connection:
        return await create_user(
            connection,
            Passwords(),
            username=username,
            email_address=email,
            password=PASSWORD,
            spaces_allowed=spaced,
        )


@given(st.text(max_size=60))
def test_a_canonical_name_is_its_own_and_that_of_its_spellings(name: str) -> None:
    canonical = canonical_username(name)
    assert canonical_username(canonical) == canonical
    for form in ("NFC", "NFD"):
        assert canonical_username(unicodedata.normalize(form, name)) == canonical
    assert canonical_username(f" {name} ") == canonical


def test_a_text_that_is_too_long_for_a_name_is_not_composed() -> None:
    """Putting marks in order takes time that grows with the square of their number: here, hours."""
    marks = "a" + "\u0301\u0316" * 1_000_000
    assert canonical_username(marks) == marks


@pytest.mark.parametrize(
    "name", ["Anna Maria", "Jürgen Müller", "J. R. Tolkien", "O'Brien", "anna_1", "日本 語", "a"]
)
def test_names_of_plantkeepers_clients_may_have_spaces(name: str) -> None:
    assert broken_by_username(name, spaces_allowed=True) == ()


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", " anna", "anna ", "anna  maria", "anna\u00a0maria", "anna\tmaria", "anna\nmaria"),
        *(".", "..", "-a", "a/b", "a@b", "a\u200db", "a\u202eb", "a\0", "x" * 41),
    ],
)
def test_a_name_that_is_none_is_refused_although_it_may_have_spaces(name: str) -> None:
    assert {broken.field for broken in broken_by_username(name, spaces_allowed=True)} == {"username"}


@pytest.mark.parametrize("made", [COMPOSED, DECOMPOSED])
@pytest.mark.parametrize("typed", [COMPOSED, DECOMPOSED, COMPOSED.upper(), f" {DECOMPOSED.lower()} "])
async def test_a_name_is_found_in_every_spelling(engine: AsyncEngine, made: str, typed: str) -> None:
    user = await make(engine, made)
    assert (user.username, user.display_name) == ("jürgen müller", COMPOSED)
    assert await authenticate(engine, Passwords(), typed, PASSWORD) == user
    async with engine.begin() as connection:
        profile = await find_profile_by_name(connection, typed)
        assert profile is not None
        assert profile.id == user.id
        assert [each.id for each in await suggest_profiles(connection, typed[:4], 5)] == [user.id]
        await set_password(connection, Passwords(), typed, "another rose")
    assert await authenticate(engine, Passwords(), made, "another rose") is not None


@pytest.mark.parametrize(
    "other", [COMPOSED, DECOMPOSED, "JÜRGEN MÜLLER", "Jürgen MülIer", "J\u00fcrgen\u2010M\u00fcller"]
)
async def test_a_name_in_another_spelling_or_that_looks_alike_is_taken(engine: AsyncEngine, other: str) -> None:
    await make(engine, COMPOSED if "\u2010" not in other else "jürgen-müller")
    with pytest.raises(InvalidAccount) as caught:
        await make(engine, other.replace("\u2010", "-"), "b@example.org")
    assert [each.rule for each in caught.value.broken_rules] == [AccountRule.TAKEN]


@pytest.mark.parametrize("other", ["Jürgen-Müller", "Jurgen Muller", "JürgenMüller"])
async def test_a_name_with_another_sign_between_its_parts_is_another(engine: AsyncEngine, other: str) -> None:
    await make(engine, COMPOSED)
    assert (await make(engine, other, "b@example.org")).username == other.lower()


async def test_astroplants_sign_up_keeps_its_rule_and_takes_both_spellings(engine: AsyncEngine) -> None:
    for refused in ("Anna Maria", "anna_1", "o'brien", "a.b"):
        with pytest.raises(InvalidAccount):
            await make(engine, refused, spaced=False)
    assert (await make(engine, "Ju\u0308rgen", spaced=False)).username == "jürgen"


async def test_a_name_that_an_earlier_version_stored_in_another_form_is_still_found(
    engine: AsyncEngine,
) -> None:
    old = "\uf900"  # a compatibility ideograph: NFC replaces it
    assert unicodedata.normalize("NFC", old) != old
    user = await make(engine, "someone")
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE users SET username = :name"), {"name": old})
    found = await authenticate(engine, Passwords(), old, PASSWORD)
    assert found is not None
    assert found.id == user.id


async def test_a_missing_user_with_a_space_is_quoted_in_the_advice(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        with pytest.raises(UserNotFound, match="hortus user create 'Anna Maria'"):
            await set_password(connection, Passwords(), "Anna Maria", "another rose")


async def test_a_new_name_becomes_the_display_name_unless_the_user_chose_one(engine: AsyncEngine) -> None:
    user = await make(engine, "Anna")

    async def change(**changes: str) -> tuple[str, str]:
        async with engine.begin() as connection:
            await change_profile(connection, user.id, ProfileChange(**changes))
            row = (await connection.execute(text("SELECT username, display_name FROM users"))).one()
            return (row.username, row.display_name)

    assert await change(username=DECOMPOSED) == ("jürgen müller", COMPOSED)
    assert await change(username="JÜRGEN Müller") == ("jürgen müller", "JÜRGEN Müller")
    assert await change(display_name="Flora Green") == ("jürgen müller", "Flora Green")
    assert await change(username="Robin") == ("robin", "Flora Green")


async def test_two_requests_at_once_cannot_give_one_name_to_two_users(engine: AsyncEngine) -> None:
    first, second = await make(engine, "first"), await make(engine, "second", "b@example.org")
    async with engine.connect() as one, engine.connect() as other:
        await change_profile(one, first.id, ProfileChange(username="Robin"))
        await other.execute(text("SET LOCAL lock_timeout = '10s'"))
        waiting = asyncio.create_task(change_profile(other, second.id, ProfileChange(username="robin")))
        await until_blocked(engine)
        await one.commit()
        with pytest.raises(InvalidAccount) as caught:
            await waiting
        await other.rollback()
    assert [(each.field, each.rule) for each in caught.value.broken_rules] == [("username", AccountRule.TAKEN)]


async def until_blocked(engine: AsyncEngine) -> None:
    async def is_blocked() -> bool:
        async with engine.connect() as connection:
            count = await connection.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted"))
            return bool(count)

    await until(is_blocked)
