"""The first account is made in the browser, with the link that Hortus prints, and only while there is none."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text
from web_helpers import PASSWORD, app_of, client_to, log_in, make_user

from hortus.domain.accounts.first_account import set_up_token

KEY = b"a key of the tests that signs tokens"
FORM = {
    "token": set_up_token(KEY),
    "username": "Ada",
    "email_address": "ada@example.org",
    "password": PASSWORD,
}


@pytest.fixture
def app(engine):
    return app_of(engine, token_key=KEY)


async def accounts(engine) -> list[tuple[str, bool]]:
    async with engine.connect() as connection:
        rows = await connection.execute(text("SELECT username, is_admin FROM users ORDER BY id"))
        return [tuple(row) for row in rows]


async def test_the_link_makes_the_administrator_and_logs_them_in(engine, app):
    async with client_to(app) as client:
        page = await client.get("/setup", params={"token": FORM["token"]})
        assert page.status_code == 200
        assert f'value="{FORM["token"]}"' in page.text
        answer = await client.post("/setup", data=FORM)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert "Log out" in (await client.get("/")).text
    assert await accounts(engine) == [("ada", True)]


async def test_the_link_is_good_for_nothing_once_there_is_an_account(engine, app):
    async with engine.begin() as connection:
        await make_user(connection, "bob")
    async with client_to(app) as client:
        for answer in (await client.get("/setup"), await client.post("/setup", data=FORM)):
            assert answer.status_code == 410
            assert "already set up" in answer.text
    assert await accounts(engine) == [("bob", False)]


@pytest.mark.parametrize("token", ["", "x", FORM["token"][:-1], FORM["token"] + "A", "é" * 50])
async def test_who_has_no_link_makes_no_account(engine, app, token):
    async with client_to(app) as client:
        answer = await client.post("/setup", data=FORM | {"token": token})
        assert answer.status_code == 403
        assert "not the set-up link" in answer.text
        assert 'value="Ada"' in answer.text
    assert await accounts(engine) == []


async def test_guessing_links_comes_to_an_end(engine, app):
    async with client_to(app) as client:
        statuses = [
            (await client.post("/setup", data=FORM | {"token": str(number)})).status_code
            for number in range(61)
        ]
        assert statuses[-1] == 429
    assert await accounts(engine) == []


async def test_the_link_of_another_installation_does_not_fit(engine):
    async with client_to(app_of(engine, token_key=b"another key, of another installation")) as client:
        assert (await client.post("/setup", data=FORM)).status_code == 403


async def test_two_who_follow_the_link_at_once_make_one_account(engine, app):
    async with client_to(app) as one, client_to(app) as other:
        answers = await asyncio.gather(
            one.post("/setup", data=FORM),
            other.post("/setup", data=FORM | {"username": "eve", "email_address": "eve@example.org"}),
        )
    assert sorted(answer.status_code for answer in answers) == [303, 410]
    assert len(await accounts(engine)) == 1


async def test_what_breaks_a_rule_is_named_at_its_field_and_nothing_typed_is_lost(engine, app):
    async with client_to(app) as client:
        answer = await client.post("/setup", data=FORM | {"username": "-a", "password": "short"})
        assert answer.status_code == 422
        for field in ("username", "password"):
            assert f'<a href="#{field}">' in answer.text
            assert f'id="{field}-error"' in answer.text
        assert 'value="ada@example.org"' in answer.text
        assert 'value="short"' not in answer.text
    assert await accounts(engine) == []


async def test_another_site_cannot_send_the_form(engine, app):
    async with client_to(app) as client:
        answer = await client.post("/setup", data=FORM, headers={"Sec-Fetch-Site": "cross-site"})
        assert answer.status_code == 403
    assert await accounts(engine) == []


async def test_the_new_administrator_can_log_in_again(engine, app):
    async with client_to(app) as client:
        await client.post("/setup", data=FORM)
    async with client_to(app) as later:
        assert (await log_in(later, "ada")).status_code == 303
