"""Log-ins and API keys on the pages of one's account."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from sqlalchemy import text
from web_helpers import app_of, client_to, log_in, make_user

from hortus.domain.accounts.api_keys import Scope, find_key_holder


@pytest.fixture
async def app(engine):
    async with engine.begin() as connection:
        await make_user(connection, "ada")
        await make_user(connection, "eve")
    return app_of(engine)


@pytest.fixture
async def ada(app):
    async with client_to(app) as client:
        await log_in(client, "ada")
        yield client


def ends(page: str) -> list[str]:
    return re.findall(r'action="(/account/sessions/[0-9a-f-]{36}/end)"', page)


async def test_this_log_in_is_marked_and_ending_another_leaves_it(app, ada):
    async with client_to(app) as other:
        await log_in(other, "ada")
        page = (await ada.get("/account/sessions")).text
        assert (page.count("this one"), len(ends(page))) == (1, 2)
        own = ends(page.partition("this one")[2])[0]
        (another,) = set(ends(page)) - {own}
        done = await ada.post(another)
        assert done.headers["location"] == "/account/sessions?said=ended"
        assert (await other.get("/account")).status_code == 303
        assert (await ada.get("/account")).status_code == 200
        assert (await ada.post(own)).headers["location"] == "/"
        assert (await ada.get("/account")).status_code == 303


async def test_all_others_end_at_once_and_their_open_pages_are_told_at_the_next_poll(app, ada):
    async with client_to(app) as other:
        await log_in(other, "ada")
        home = (await other.get("/")).text
        poll = unescape(re.search(r'hx-get="(/status\?[^"]*)"', home)[1])
        assert "HX-Refresh" not in (await other.get(poll)).headers
        assert (await ada.post("/account/sessions/end-others")).status_code == 303
        assert (await other.get(poll)).headers["HX-Refresh"] == "true"
        assert "logged in nowhere else" in (await ada.get("/account/sessions")).text


async def test_nobody_ends_the_log_in_of_another_person(app, ada):
    (own,) = ends((await ada.get("/account/sessions")).text)
    async with client_to(app) as eve:
        await log_in(eve, "eve")
        for path in (own, "/account/sessions/not-an-id/end"):
            assert (await eve.post(path)).status_code == 303
    assert (await ada.get("/account")).status_code == 200


def in_days(days: int) -> str:
    return (datetime.now(UTC).date() + timedelta(days=days)).isoformat()


FORM = {"name": "Script", "scopes": ["read", "control"], "ends_on": in_days(30)}


async def test_a_key_is_shown_once_and_works_until_it_is_deleted(engine, ada):
    made = await ada.post("/account/keys", data=FORM)
    assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
    secret = re.search(r"hortus_[\w-]{43}", made.text)[0]
    assert "curl -H" in made.text
    page = (await ada.get("/account/keys")).text
    assert (secret in page, "Send commands to kits" in page) == (False, True)
    async with engine.begin() as connection:
        holder = await find_key_holder(connection, secret, datetime.now(UTC))
        assert holder.scopes == {Scope.READ, Scope.CONTROL}
    delete = re.search(r'href="(/account/keys/\d+/delete)"', page)[1]
    assert "Delete this key?" in (await ada.get(delete)).text
    assert (await ada.post(delete)).headers["location"] == "/account/keys?said=deleted"
    async with engine.begin() as connection:
        assert await find_key_holder(connection, secret, datetime.now(UTC)) is None
    assert (await ada.get(delete)).status_code == 404


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", ""), ("name", "x" * 41), ("scopes", "all"), ("ends_on", ""), ("ends_on", in_days(-1)),
     ("ends_on", in_days(5 * 366 + 2)), ("ends_on", "9999-12-31")],
)  # fmt: skip
async def test_a_key_that_cannot_be_is_refused_at_its_field(engine, ada, field, value):
    refused = await ada.post("/account/keys", data=FORM | {field: value})
    assert (refused.status_code, f'href="#{field}"' in refused.text) == (422, True)
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM api_keys")) == 0


async def test_nobody_deletes_the_key_of_another_person(app, ada):
    await ada.post("/account/keys", data=FORM)
    delete = re.search(r'href="(/account/keys/\d+/delete)"', (await ada.get("/account/keys")).text)[1]
    async with client_to(app) as eve:
        await log_in(eve, "eve")
        assert [(await eve.get(delete)).status_code, (await eve.post(delete)).status_code] == [404, 404]
    assert "Script" in (await ada.get("/account/keys")).text
