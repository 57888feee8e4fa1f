from __future__ import annotations

import pytest
from sqlalchemy import text
from web_helpers import PASSWORD, client_of, log_in, make_user

from hortus.domain.accounts.passwords import Passwords
from hortus.domain.accounts.store import set_password
from hortus.http.access.sessions import COOKIE
from hortus.http.pages.attempts import ATTEMPTS_PER_ADDRESS, ATTEMPTS_PER_USER, LoginAttempts


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


async def test_after_too_many_attempts_even_the_right_password_has_to_wait(engine, ada):
    async with client_of(engine) as client:
        for _ in range(ATTEMPTS_PER_USER):
            await log_in(client, "ada", "wrong")
        answer = await log_in(client, "ada")
    assert answer.status_code == 429
    assert "Too many attempts. Try again in 5 minutes." in answer.text
    assert 0 < int(answer.headers["retry-after"]) <= 300


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


def test_attempts_are_counted_by_user_by_address_and_by_ipv6_network():
    now = 0.0
    attempts = LoginAttempts(lambda: now)
    for number in range(ATTEMPTS_PER_ADDRESS):
        assert attempts.begin(f"2001:db8::{number:x}", f"user{number}") == 0
    assert attempts.begin("2001:db8::ffff", "someone") == 300
    assert attempts.begin("2001:db8:0:1::1", "someone") == 0
    assert attempts.begin("::ffff:192.0.2.1", "someone") == 0
    now = 300.0
    assert attempts.begin("2001:db8::ffff", "someone") == 0


def test_a_successful_log_in_forgets_the_failures_of_the_user_but_not_of_the_address():
    attempts = LoginAttempts(lambda: 0.0)
    for _ in range(ATTEMPTS_PER_ADDRESS // ATTEMPTS_PER_USER):
        for _ in range(ATTEMPTS_PER_USER):
            assert attempts.begin("192.0.2.1", "ada") == 0
        attempts.succeeded("ada")
    assert attempts.begin("192.0.2.1", "ada") > 0
    assert attempts.begin("192.0.2.2", "ada") == 0


def test_the_memory_for_attempts_is_bounded():
    attempts = LoginAttempts(lambda: 0.0)
    for number in range(20_000):
        attempts.begin(f"10.0.{number // 256}.{number % 256}", f"user{number}")
    assert len(attempts._counts) <= 10_000
