from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from web_helpers import PASSWORD, app_of, client_of, client_to, log_in, make_user

from hortus.domain.accounts.log_ins import (
    MOST_PER_USER,
    Place,
    end_all_log_ins,
    end_log_in,
    list_log_ins,
    start_log_in,
)
from hortus.domain.accounts.passwords import Passwords
from hortus.domain.accounts.store import set_password
from hortus.http.access.devices import COOKIE as DEVICE_COOKIE
from hortus.http.access.sessions import COOKIE

TOKEN_KEY = b"a key of the tests that signs tokens"


@pytest.fixture
async def ada(engine):
    async with engine.begin() as connection:
        return await make_user(connection, "ada")


async def test_the_right_password_logs_in_until_logging_out(engine, ada):
    async with client_of(engine) as client:
        answer = await log_in(client, "Ada")
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert "Log out" in (await client.get("/")).text
        assert (await client.get("/login")).status_code == 303
        answer = await client.post("/logout")
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert "Log out" not in (await client.get("/")).text


async def test_a_copy_of_the_cookie_is_worth_nothing_after_logging_out(engine, ada):
    app = app_of(engine)
    async with client_to(app) as client, client_to(app) as thief:
        await log_in(client, "ada")
        thief.cookies.update(client.cookies)
        assert "Log out" in (await thief.get("/")).text
        await client.post("/logout")
        assert "Log out" not in (await thief.get("/")).text


async def test_sessions_are_listed_and_ended_singly_together_with_log_ins_to_the_api(engine, ada):
    app = app_of(engine)
    now = datetime.now(UTC)
    async with client_to(app) as here, client_to(app) as there:
        await log_in(here, "ada")
        await log_in(there, "ada")
        async with engine.begin() as connection:
            at_the_api = await start_log_in(connection, ada, now)
            listed = await list_log_ins(connection, ada.id, now)
        assert sorted(each.place for each in listed) == ["api", "pages", "pages"]
        first = min((each for each in listed if each.place is Place.PAGES), key=lambda each: each.created_at)
        async with engine.begin() as connection:
            assert await end_log_in(connection, ada.id, first.id)
        assert "Log out" not in (await here.get("/")).text
        assert "Log out" in (await there.get("/")).text
        async with engine.begin() as connection:
            await end_all_log_ins(connection, ada.id)
            assert not await end_log_in(connection, ada.id, at_the_api)
        assert "Log out" not in (await there.get("/")).text


async def test_programs_that_log_in_all_the_time_end_no_session_of_the_pages(engine, ada):
    async with client_of(engine) as client:
        await log_in(client, "ada")
        async with engine.begin() as connection:
            for _ in range(MOST_PER_USER + 1):
                await start_log_in(connection, ada, datetime.now(UTC))
        assert "Log out" in (await client.get("/")).text


async def test_the_last_use_of_a_session_is_recorded_about_hourly(engine, ada):
    async with client_of(engine) as client:
        await log_in(client, "ada")
        async with engine.begin() as connection:
            await connection.execute(text("UPDATE refresh_tokens SET last_used_at = now() - interval '1 day'"))
        await client.get("/")
        async with engine.connect() as connection:
            (listed,) = await list_log_ins(connection, ada.id, datetime.now(UTC))
    assert datetime.now(UTC) - listed.last_used_at < timedelta(hours=1)


async def test_an_unknown_user_and_a_wrong_password_get_the_same_answer(engine, ada):
    async with client_of(engine) as client:
        wrong_password = await log_in(client, "ada", "wrong")
        unknown_user = await log_in(client, "eve", "wrong")
        impossible_user = await log_in(client, "ada\0", PASSWORD)
    assert wrong_password.status_code == unknown_user.status_code == impossible_user.status_code == 403
    assert wrong_password.text.replace("ada", "eve") == unknown_user.text
    assert "Wrong user name or password" in unknown_user.text
    assert COOKIE not in wrong_password.cookies


@pytest.mark.parametrize(("scheme", "secure"), [("http", False), ("https", True)])
async def test_the_cookie_is_hidden_from_scripts_and_other_sites_and_kept_to_https(engine, ada, scheme, secure):
    async with client_of(engine, scheme=scheme) as client:
        cookie = (await log_in(client, "ada")).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert ("Secure" in cookie) is secure


@pytest.mark.parametrize(
    ("headers", "accepted"),
    [
        ({}, True),
        ({"origin": "http://hortus.test"}, True),
        ({"origin": "https://hortus.test"}, True),
        ({"origin": "http://evil.test"}, False),
        ({"origin": "null"}, False),
        ({"origin": "http://hortus.test:81"}, False),
        ({"sec-fetch-site": "same-origin", "origin": "http://behind-a-proxy.test"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "cross-site", "origin": "http://hortus.test"}, False),
        ({"sec-fetch-site": "same-site"}, False),
    ],
)
@pytest.mark.parametrize("path", ["/login", "/logout"])
async def test_forms_of_other_sites_are_refused(engine, ada, path, headers, accepted):
    async with client_of(engine) as client:
        form = {"username": "ada", "password": PASSWORD}
        answer = await client.post(path, data=form, headers=headers)
    assert answer.status_code == (303 if accepted else 403)
    assert ("set-cookie" in answer.headers) is accepted


async def test_a_new_password_ends_sessions(engine, ada):
    async with client_of(engine) as client:
        await log_in(client, "ada")
        async with engine.begin() as connection:
            await set_password(connection, Passwords(), "ada", "another one")
            assert await list_log_ins(connection, ada.id, datetime.now(UTC)) == []
        assert "Log out" not in (await client.get("/")).text


async def test_rights_are_those_of_now_not_those_of_the_log_in(engine, ada):
    async with client_of(engine) as client:
        await log_in(client, "ada")
        async with engine.begin() as connection:
            await connection.execute(text("UPDATE users SET is_admin = true"))
        assert "No kits yet" in (await client.get("/")).text
        async with engine.begin() as connection:
            await connection.execute(text("DELETE FROM users"))
        assert "Log out" not in (await client.get("/")).text


@pytest.mark.parametrize("cookie", ["", "x", "W10.x.y", "WzEsIjIiXQ.aSHYxQ.xxxxxxxxxxxxxxxxxxxxxxxxxxx", "é"])
async def test_a_cookie_that_we_did_not_sign_is_nobodys(engine, ada, cookie):
    async with client_of(engine) as client:
        answer = await client.get("/", headers={"cookie": f"{COOKIE}={cookie}".encode()})
    assert answer.status_code == 200
    assert "Log out" not in answer.text


async def test_a_session_of_another_key_is_nobodys(engine, ada):
    async with client_of(engine, secret_key="another") as other, client_of(engine) as client:
        cookie = (await log_in(other, "ada")).cookies[COOKIE]
        answer = await client.get("/", headers={"cookie": f"{COOKIE}={cookie}"})
    assert "Log out" not in answer.text


async def test_a_strangers_guesses_keep_neither_a_known_device_nor_another_address_out(engine, ada):
    app = app_of(engine, token_key=TOKEN_KEY)
    async with (
        client_to(app) as known,
        client_to(app) as stranger,
        client_to(app, address="192.0.2.9") as elsewhere,
    ):
        assert (await log_in(known, "ada")).status_code == 303
        assert DEVICE_COOKIE in known.cookies
        await known.post("/logout")
        guesses = await asyncio.gather(*(log_in(stranger, "ada", f"guess {n}") for n in range(40)))
        refused = [answer for answer in guesses if answer.status_code == 429]
        assert refused, "guessing is not bounded"
        assert "Too many attempts. Try again in" in refused[0].text
        assert 0 < int(refused[0].headers["retry-after"]) <= 200
        assert (await log_in(known, "ada")).status_code == 303
        assert (await log_in(elsewhere, "ada")).status_code == 303


async def test_any_number_of_right_passwords_at_once_is_let_in(engine, ada):
    async with client_of(engine, token_key=TOKEN_KEY) as client:
        answers = await asyncio.gather(*(log_in(client, "ada") for _ in range(25)))
    assert {answer.status_code for answer in answers} == {303}


async def test_the_cookie_of_a_device_counts_for_its_own_name_only(engine, ada):
    async with client_of(engine, token_key=TOKEN_KEY) as client:
        await log_in(client, "ada")
        guesses = await asyncio.gather(*(log_in(client, "flora", f"guess {n}") for n in range(40)))
        assert 429 in {answer.status_code for answer in guesses}
        assert "Log out" in (await client.get("/")).text


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"username=ada&password=" + b"x" * 10_000, 413),
        (b"&".join(b"a=1" for _ in range(100)), 400),
        (b"username=\xff", 400),
        (b"username=%ff&password=x", 400),
        (b"", 403),
        (b"username=%ed%a0%80&password=%00", 400),
        (b"username=%00&password=%00", 403),
    ],
)
async def test_forms_that_no_browser_sends_do_no_harm(engine, ada, body, status):
    async with client_of(engine) as client:
        headers = {"content-type": "application/x-www-form-urlencoded"}
        assert (await client.post("/login", content=body, headers=headers)).status_code == status
