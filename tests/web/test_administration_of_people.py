"""`/admin/people`: making, finding, raising, lowering and deleting people."""

from __future__ import annotations

import asyncio
import re

import pytest
from sqlalchemy import text
from web_helpers import PASSWORD, app_of, client_to, log_in, make_kit, make_member, make_user

from hortus.domain.accounts.administrators import LastAdministrator
from hortus.domain.administration.log import list_deeds
from hortus.domain.administration.people import Administrators


@pytest.fixture
async def app(engine):
    async with engine.begin() as connection:
        await make_user(connection, "root", is_admin=True)
        await make_user(connection, "bob")
    return app_of(engine)


@pytest.fixture
async def client(app):
    async with client_to(app) as client:
        await log_in(client, "root")
        yield client


async def deeds(engine) -> list[tuple[str, str, str]]:
    async with engine.connect() as connection:
        found = await list_deeds(connection, before_id=None, most=10)
    return [(each.person, each.deed, each.subject) for each in found]


def link_in(page: str) -> str:
    return re.search(r"http://hortus\.test(/password-reset\?token=[^<]+)<", page).group(1)


async def test_a_new_person_chooses_the_password_with_the_link(app, engine, client):
    form = {"username": "Eve", "email_address": "eve@example.org"}
    answer = await client.post("/admin/people", data=form)
    assert answer.status_code == 200
    path = link_in(answer.text)
    async with client_to(app) as other:
        assert (await other.get(path)).status_code == 200
        done = await other.post("/password-reset", data={"token": path.partition("=")[2], "password": PASSWORD})
        assert done.status_code == 200
        assert (await log_in(other, "eve")).status_code == 303
        again = await other.post(
            "/password-reset", data={"token": path.partition("=")[2], "password": PASSWORD}
        )
        assert again.status_code == 400
        assert (await other.get("/admin")).status_code == 404
    assert await deeds(engine) == [("root", "person-created", "eve")]


async def test_a_new_administrator_is_noted_as_one(engine, client):
    form = {"username": "Eve", "email_address": "eve@example.org", "administrator": "yes"}
    await client.post("/admin/people", data=form)
    assert await deeds(engine) == [("root", "administrator-made", "eve"), ("root", "person-created", "eve")]


async def test_a_form_with_faults_comes_back_filled_in(engine, client):
    form = {"username": "b o b", "email_address": "nowhere", "administrator": "yes"}
    answer = await client.post("/admin/people", data=form)
    assert answer.status_code == 422
    assert 'value="b o b"' in answer.text
    assert "2 fields need a change" in answer.text
    assert 'href="#email_address"' in answer.text
    assert re.search(r'name="administrator" value="yes" checked', answer.text)
    assert await deeds(engine) == []


async def test_people_are_found_by_name_and_address(engine, client):
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE users SET display_name = 'Böb 100%' WHERE username = 'bob'"))
    for words, found in (("böb", True), ("bob@", True), ("0%", True), ("_", False), ("root", False)):
        page = (await client.get("/admin/people", params={"q": words})).text
        assert ('href="/admin/people/bob"' in page) is found, words


async def test_many_people_come_page_by_page(engine, client):
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO users "
                "(username, display_name, password_hash, email_address, gravatar_alternative) "
                "SELECT 'p' || lpad(n::text, 3, '0'), 'P', 'x', n || '@example.org', 'g' "
                "FROM generate_series(1, 60) AS n"
            )
        )
    first = (await client.get("/admin/people?q=p0")).text
    assert "/admin/people/p050" in first
    assert "/admin/people/p051" not in first
    path = re.search(r'href="(/admin/people\?q=p0&amp;after=[^"]*)"', first).group(1).replace("&amp;", "&")
    second = (await client.get(path)).text
    assert "/admin/people/p051" in second
    assert "/admin/people/p050" not in second


async def test_an_administrator_is_made_and_unmade(app, engine, client):
    raised = await client.post("/admin/people/bob/administrator", data={"administrator": "yes"})
    assert raised.headers["location"] == "/admin/people/bob?said=raised"
    assert "is an administrator now" in (await client.get(raised.headers["location"])).text
    async with client_to(app) as other:
        await log_in(other, "bob")
        assert (await other.get("/admin")).status_code == 200
        await client.post("/admin/people/bob/administrator", data={"administrator": "no"})
        assert (await other.get("/admin")).status_code == 404
    assert [deed for _, deed, _ in await deeds(engine)] == ["administrator-unmade", "administrator-made"]


async def test_the_last_administrator_stays(engine, client):
    page = (await client.get("/admin/people/root")).text
    assert "Take the right away" not in page
    assert "Type root" not in page
    for path, form in (("administrator", {"administrator": "no"}), ("delete", {"typed": "root"})):
        answer = await client.post(f"/admin/people/root/{path}", data=form)
        assert answer.status_code == 409
        assert "This is the only administrator." in answer.text
    assert await deeds(engine) == []


async def test_two_administrators_cannot_unmake_each_other_at_once(own_engine):
    async with own_engine.begin() as connection:
        await make_user(connection, "ada", is_admin=True)
        await make_user(connection, "bob", is_admin=True)

    async def unmake(name):
        async with own_engine.begin() as connection:
            acting = Administrators(acting="x", passwords=None, tokens=None)
            await acting.set_administrator(connection, name, is_admin=False)
            await asyncio.sleep(0)

    outcomes = await asyncio.gather(unmake("ada"), unmake("bob"), return_exceptions=True)
    assert sorted(type(each) for each in outcomes if each is not None) == [LastAdministrator]


async def test_who_gives_up_the_right_is_led_home(engine, client):
    async with engine.begin() as connection:
        await make_user(connection, "eve", is_admin=True)
    answer = await client.post("/admin/people/root/administrator", data={"administrator": "no"})
    assert answer.headers["location"] == "/"
    assert (await client.get("/admin")).status_code == 404


async def test_ended_sessions_log_the_person_out(app, engine, client):
    async with client_to(app) as other:
        await log_in(other, "bob")
        assert "Log out" in (await other.get("/")).text
        await client.post("/admin/people/bob/sessions/end")
        assert "Log out" not in (await other.get("/")).text
    assert await deeds(engine) == [("root", "sessions-ended", "bob")]


async def test_a_password_link_ends_nothing_until_it_is_used(app, engine, client):
    path = link_in((await client.post("/admin/people/bob/password-link")).text)
    async with client_to(app) as other:
        assert (await log_in(other, "bob")).status_code == 303
        token = path.partition("=")[2]
        await other.post("/password-reset", data={"token": token, "password": "another rose"})
        assert (await log_in(other, "bob")).status_code != 303
        assert (await log_in(other, "bob", "another rose")).status_code == 303
    assert "token" not in str(await deeds(engine))


async def test_an_account_is_deleted_by_typing_its_name(engine, client):
    wrong = await client.post("/admin/people/bob/delete", data={"typed": "bo"})
    assert wrong.status_code == 422
    assert "That is another name" in wrong.text
    right = await client.post("/admin/people/bob/delete", data={"typed": " Bob "})
    assert right.headers["location"] == "/admin/people?said=deleted"
    assert (await client.get("/admin/people/bob")).status_code == 404
    assert await deeds(engine) == [("root", "person-deleted", "bob")]


async def test_an_account_on_which_others_depend_stays(engine, client):
    async with engine.begin() as connection:
        kit = await make_kit(connection, "Basil")
        for name in ("eve", "dan"):
            await make_member(connection, await make_user(connection, name), kit)
        await connection.execute(
            text(
                "UPDATE kit_memberships SET access_super = true FROM users u "
                "WHERE u.id = user_id AND username = 'eve'"
            )
        )
    assert kit.serial in (await client.get("/admin/people/eve")).text
    answer = await client.post("/admin/people/eve/delete", data={"typed": "eve"})
    assert answer.status_code == 409
    assert kit.serial in answer.text


@pytest.mark.parametrize("path", ["administrator", "sessions/end", "password-link", "delete"])
async def test_unknown_people_and_forms_of_other_sites_are_refused(client, path):
    data = {"administrator": "yes", "typed": "nobody"}
    assert (await client.post(f"/admin/people/nobody/{path}", data=data)).status_code == 404
    foreign = await client.post(
        f"/admin/people/bob/{path}", data=data, headers={"sec-fetch-site": "cross-site"}
    )
    assert foreign.status_code == 403
