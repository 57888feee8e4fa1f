"""One address has one account and gets its mail, in whichever form its domain is written (IDNA 2008)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.base.database.engine import open_engine
from hortus.base.database.url import DatabaseUrl
from hortus.domain.accounts.email_addresses import (
    canonical_address,
    forms_of,
    is_email_address,
    with_ascii_domain,
)
from hortus.domain.accounts.passwords import Passwords
from hortus.domain.accounts.profiles import ProfileChange, change_profile, find_profile_by_address
from hortus.domain.accounts.rules import InvalidAccount
from hortus.domain.accounts.store import User, create_user


@pytest.mark.parametrize(
    ("typed", "canonical", "for_servers"),
    [
        ("Flora@Example.org", "flora@example.org", "Flora@example.org"),
        ("Flora@Bücher.example", "flora@bücher.example", "Flora@xn--bcher-kva.example"),
        ("flora@XN--BCHER-KVA.example", "flora@bücher.example", "flora@xn--bcher-kva.example"),
        ("flora@BÜCHER.example", "flora@bücher.example", "flora@xn--bcher-kva.example"),
        # Under IDNA 2003 this was strasse.example, which is another domain of somebody else.
        ("flora@straße.example", "flora@straße.example", "flora@xn--strae-oqa.example"),
        ("flora@例え.テスト", "flora@例え.テスト", "flora@xn--r8jz45g.xn--zckzah"),
        ("flora@xn--53h.example", "flora@xn--53h.example", "flora@xn--53h.example"),
        ("flora@[127.0.0.1]", "flora@[127.0.0.1]", "flora@[127.0.0.1]"),
    ],
)
def test_the_forms_of_an_address(typed: str, canonical: str, for_servers: str) -> None:
    assert is_email_address(typed)
    assert canonical_address(typed) == canonical
    assert canonical_address(canonical) == canonical
    assert with_ascii_domain(typed) == for_servers
    assert {canonical, for_servers.lower()} <= forms_of(typed)


@pytest.mark.parametrize(
    "text_", ["", "flora", "@", "flora@", "flora@ü ber.example", "flora@\u2028", "a\0@b.example"]
)
def test_what_is_no_address_has_a_form_to_look_for_all_the_same(text_: str) -> None:
    assert not is_email_address(text_)
    assert forms_of(text_) == {text_.lower()}


@pytest.fixture
async def engine(migrated_database_url: str) -> AsyncIterator[AsyncEngine]:
    async with open_engine(DatabaseUrl.parse(migrated_database_url)) as opened:
        yield opened


async def make(engine: AsyncEngine, username: str, email_address: str) -> User:
    async with engine.begin() as connection:
        return await create_user(
            connection, Passwords(), username=username, email_address=email_address, password="a rose is a rose"
        )


async def test_both_forms_of_a_domain_are_one_account(engine: AsyncEngine) -> None:
    flora = await make(engine, "flora", "flora@xn--bcher-kva.example")
    with pytest.raises(InvalidAccount, match="belongs to another account"):
        await make(engine, "mint", "Flora@Bücher.example")
    mint = await make(engine, "mint", "mint@example.org")
    async with engine.begin() as connection:
        for form in ("flora@bücher.example", "FLORA@xn--bcher-kva.example"):
            profile = await find_profile_by_address(connection, form)
            assert profile is not None
            assert (profile.id, profile.email_address) == (flora.id, "flora@bücher.example")
            with pytest.raises(InvalidAccount, match="belongs to another account"):
                await change_profile(connection, mint.id, ProfileChange(email_address=form))
            await change_profile(connection, flora.id, ProfileChange(email_address=form))


async def test_accounts_of_earlier_versions_are_found_in_both_forms(engine: AsyncEngine) -> None:
    first, second = await make(engine, "first", "a@example.org"), await make(engine, "second", "b@example.org")
    async with engine.begin() as connection:
        change = text("UPDATE users SET email_address = :address WHERE id = :id")
        await connection.execute(change, {"address": "flora@xn--bcher-kva.example", "id": first.id})
        only = await find_profile_by_address(connection, "Flora@bücher.example")
        assert only is not None
        assert only.id == first.id
        # They took the two forms for two addresses.
        await connection.execute(change, {"address": "flora@bücher.example", "id": second.id})
        for form, user in (("flora@bücher.example", second), ("flora@xn--bcher-kva.example", first)):
            found = await find_profile_by_address(connection, form)
            assert found is not None
            assert found.id == user.id
    with pytest.raises(InvalidAccount, match="belongs to another account"):
        await make(engine, "third", "flora@BÜCHER.example")
