from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from typer.testing import CliRunner

from hortus.app.command_line.users import create_user_from_command_line, user_app
from hortus.base.database.engine import open_engine
from hortus.base.database.url import DatabaseUrl
from hortus.base.settings import Settings
from hortus.domain.accounts.email_addresses import is_email_address
from hortus.domain.accounts.passwords import Passwords
from hortus.domain.accounts.rules import AccountRule, InvalidAccount
from hortus.domain.accounts.store import (
    UserNotFound,
    authenticate,
    create_user,
    find_user,
    set_password,
)

OLD_PASSWORD = "It all adds up to normality."
OLD_HASH = "1$AQIDBAUGBwgJEBESExQVFg==$CxZam+iAsfxNt9doaNmMtSjBy6NqyoOMxSppNpJFmx8="


@pytest.fixture
async def engine(migrated_database_url: str) -> AsyncIterator[AsyncEngine]:
    async with open_engine(DatabaseUrl.parse(migrated_database_url)) as engine:
        yield engine


async def make(engine, username="Ada-Łovelace1", email="Ada@Example.org", password="a rose is a rose", **more):
    async with engine.begin() as connection:
        return await create_user(
            connection, Passwords(), username=username, email_address=email, password=password, **more
        )


async def test_an_account_is_stored_in_lower_case_and_displayed_as_typed(engine):
    user = await make(engine, is_admin=True)
    async with engine.connect() as connection:
        row = (await connection.execute(text("SELECT * FROM users"))).mappings().one()
        assert await find_user(connection, user.id) == user
    assert (row["username"], row["display_name"], row["email_address"], row["is_admin"]) == (
        "ada-łovelace1",
        "Ada-Łovelace1",
        "ada@example.org",
        True,
    )
    assert row["password_hash"].startswith("$argon2id$")
    assert len(row["gravatar_alternative"]) == 32


async def test_a_person_logs_in_by_name_in_any_case_and_by_no_other_password(engine):
    user = await make(engine)
    passwords = Passwords()
    assert await authenticate(engine, passwords, "ADA-ŁOVELACE1", "a rose is a rose") == user
    for name, password in (
        ("ada-łovelace1", "A rose is a rose"),
        ("ada", "a rose is a rose"),
        ("%", "a rose is a rose"),
        ("\0", "a rose is a rose"),
    ):
        assert await authenticate(engine, passwords, name, password) is None


async def test_an_old_hash_is_replaced_at_the_next_log_in_and_only_then(engine):
    user = await make(engine, "ada")
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE users SET password_hash = :hash"), {"hash": OLD_HASH})

    async def stored_hash():
        async with engine.connect() as connection:
            return await connection.scalar(text("SELECT password_hash FROM users"))

    assert await authenticate(engine, Passwords(), "ada", "wrong") is None
    assert await stored_hash() == OLD_HASH
    first = await authenticate(engine, Passwords(), "ada", OLD_PASSWORD)
    renewed = await stored_hash()
    assert renewed.startswith("$argon2id$")
    second = await authenticate(engine, Passwords(), "ada", OLD_PASSWORD)
    assert first == second
    assert first.id == user.id
    assert await stored_hash() == renewed


async def test_a_new_password_replaces_the_old_one_and_changes_the_stamp(engine):
    user = await make(engine, "ada")
    async with engine.begin() as connection:
        await set_password(connection, Passwords(), "Ada", "another rose")
    assert await authenticate(engine, Passwords(), "ada", "a rose is a rose") is None
    renewed = await authenticate(engine, Passwords(), "ada", "another rose")
    assert renewed.password_stamp != user.password_stamp
    async with engine.begin() as connection:
        with pytest.raises(UserNotFound, match="There is no user 'eve'"):
            await set_password(connection, Passwords(), "eve", "another rose")


async def test_everything_that_is_wrong_is_said_at_once(engine):
    with pytest.raises(InvalidAccount) as caught:
        await make(engine, "-" * 41, "nobody", "")
    assert [(broken.field, broken.rule) for broken in caught.value.broken_rules] == [
        ("username", "mustHaveLengthBetween"),
        ("username", "other"),
        ("emailAddress", "mustBeEmailAddress"),
        ("password", "mustHaveLengthBetween"),
    ]


@pytest.mark.parametrize(
    ("username", "email", "fields"),
    [
        ("ADA", "other@example.org", ["username"]),
        ("other", "ADA@example.org", ["emailAddress"]),
        ("Ada", "ada@EXAMPLE.org", ["username", "emailAddress"]),
    ],
)
async def test_names_and_addresses_are_taken_in_any_case(engine, username, email, fields):
    await make(engine, "ada", "ada@example.org")
    with pytest.raises(InvalidAccount) as caught:
        await make(engine, username, email)
    assert [(broken.field, broken.rule) for broken in caught.value.broken_rules] == [
        (field, "alreadyExists") for field in fields
    ]


@pytest.mark.parametrize("username", ["", "-ada", "ada-", "a b", "a_b", "a@b", "a" * 41, "a\0", "İ" * 21])
async def test_a_user_name_that_is_none_is_refused(engine, username):
    with pytest.raises(InvalidAccount) as caught:
        await make(engine, username)
    assert {broken.field for broken in caught.value.broken_rules} == {"username"}


@pytest.mark.parametrize("username", ["a", "A-1", "żółw", "植物", "a" * 40, "İ" * 20])
async def test_letters_of_every_language_are_letters(engine, username):
    if username == "İ" * 20:
        # Each becomes two characters in lower case, which just fits.
        assert len(username.lower()) == 40
    assert (await make(engine, username)).username == username.lower()


@pytest.mark.parametrize(
    ("address", "fits"),
    [
        ("a@b", True),
        ("first.last+tag@example.co.uk", True),
        ("ada@büro.example", True),
        ("ada@[192.0.2.1]", True),
        ("ada@[IPv6:2001:db8::1]", True),
        ("", False),
        ("@", False),
        ("ada@", False),
        ("@example.org", False),
        ("a b@example.org", False),
        ("ada@-example.org", False),
        ("ada@example..org", False),
        ("ada@[example]", False),
        ("ada@exa_mple.org", False),
        ("ada@example.org\n", False),
        ("ada@" + "x" * 64, False),
    ],
)
def test_email_addresses_are_judged_as_a_browser_does(address, fits):
    assert is_email_address(address) is fits


@pytest.mark.parametrize(
    ("password", "rule"),
    [
        ("", AccountRule.LENGTH),
        ("seven77", AccountRule.LENGTH),
        ("ж" * 7, AccountRule.LENGTH),
        ("x" * 1025, AccountRule.LENGTH),
        ("password", AccountRule.OTHER),
        ("PassWord", AccountRule.OTHER),
        ("12345678", AccountRule.OTHER),
        ("iloveyou", AccountRule.OTHER),
        ("lovelace-ada", AccountRule.OTHER),
        ("Ada@Example.org", AccountRule.OTHER),
    ],
)
async def test_a_password_that_is_guessed_first_is_refused(engine, password, rule):
    with pytest.raises(InvalidAccount) as caught:
        await make(engine, username="Lovelace-Ada", password=password)
    assert [(broken.field, broken.rule) for broken in caught.value.broken_rules] == [("password", rule)]


@pytest.mark.parametrize("password", ["eightch8", "        ", "ж" * 8, "rose rose rose", "日本語の合言葉です"])
async def test_a_password_needs_no_kinds_of_characters(engine, password):
    user = await make(engine, username="ada", password=password)
    assert await authenticate(engine, Passwords(), "ada", password) == user


@pytest.mark.parametrize(
    ("name", "look_alike"),
    [
        ("flora", "fl\u043era"),  # a Cyrillic o
        ("fl\u043era", "flora"),
        ("flora", "\uff46\uff4c\uff4f\uff52\uff41"),  # full width
        ("flora", "f1ora"),
        ("flora", "fIora"),
        ("flora10", "floral0"),
        ("ada", "\u03b1da"),  # a Greek alpha
    ],
)
async def test_a_name_that_looks_like_another_is_taken(engine, name, look_alike):
    await make(engine, username=name, email="one@example.org")
    with pytest.raises(InvalidAccount) as caught:
        await make(engine, username=look_alike, email="two@example.org")
    assert [(each.field, each.rule) for each in caught.value.broken_rules] == [("username", AccountRule.TAKEN)]


@pytest.mark.parametrize(
    ("name", "other"), [("flora", "flóra"), ("ada", "ada1"), ("юлия", "юля"), ("日本", "日木")]
)
async def test_a_name_that_differs_to_the_eye_is_free(engine, name, other):
    await make(engine, username=name, email="one@example.org")
    assert (await make(engine, username=other, email="two@example.org")).username == other


async def test_an_account_made_by_a_command_can_log_in(engine, migrated_database_url):
    await create_user_from_command_line(
        None,
        Settings(database_url=migrated_database_url),
        username="ada",
        email="a@b",
        password="secret password",
        is_admin=True,
    )
    user = await authenticate(engine, Passwords(), "ada", "secret password")
    assert user.is_admin


def test_the_command_prints_a_generated_password_once(monkeypatch):
    made = {}

    async def record(_data_dir, _settings, **account):
        made.update(account)

    monkeypatch.setattr("hortus.app.command_line.users.create_user_from_command_line", record)
    result = CliRunner().invoke(user_app, ["create", "Ada", "--email", "a@b", "--admin", "--generate-password"])
    assert result.exit_code == 0
    assert result.stdout == f"Administrator ada can log in now.\nPassword: {made['password']}\n"
    assert made["is_admin"] is True


def test_the_command_asks_for_the_password_without_showing_it(monkeypatch):
    made = {}

    async def record(_data_dir, _settings, **account):
        made.update(account)

    monkeypatch.setattr("hortus.app.command_line.users.set_password_from_command_line", record)
    answers = "long enough\nlong enough\n"
    result = CliRunner().invoke(user_app, ["password", "ada"], input=answers)
    assert result.exit_code == 0
    assert made == {"username": "ada", "password": "long enough"}
    assert "long enough" not in result.stdout
    result = CliRunner().invoke(user_app, ["password", "ada"], input="short\nshort\n")
    assert "at least 8 characters" in str(result.exception)
