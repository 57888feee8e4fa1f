"""Notification channels and preferences over the API, and the page of a password reset."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from api_client import TOKEN_KEY, Installation, assert_invalid, assert_problem

from hortus.domain.accounts.passwords import Passwords
from hortus.domain.accounts.store import create_user
from hortus.domain.accounts.tokens import Tokens
from hortus.domain.messages.access import MessageAccess
from hortus.domain.messages.mail_account import MailAccount, Security
from hortus.domain.messages.sealing import Seal
from hortus.http.app import WebDependencies, create_app
from web_services import services_on

SEAL = Seal(TOKEN_KEY)
MAIL = MailAccount(host="127.0.0.1", port=1, security=Security.NONE, sender="hortus@garden.example")
URL = "ntfys://my-secret-topic"


@pytest.fixture
async def mailing(serve: Any) -> AsyncIterator[Installation]:
    async with serve(message_access=MessageAccess(seal=SEAL, mail=MAIL)) as api:
        yield api


async def test_a_service_is_added_changed_and_deleted_and_its_url_never_shown(api: Installation) -> None:
    person = await api.person()
    made = await api.client.post(
        "/me/notification-channels", json={"name": "Phone", "url": URL}, headers=person.headers
    )
    assert made.status_code == 201, made.text
    channel = made.json()
    assert channel == {
        "id": channel["id"],
        "name": "Phone",
        "service": "ntfys",
        "enabled": True,
        "createdAt": channel["createdAt"],
    }
    rows = str(await api.scalar("SELECT array_agg(c::text)::text FROM notification_channels AS c"))
    assert "my-secret-topic" not in rows
    path = f"/me/notification-channels/{channel['id']}"
    changed = await api.client.patch(path, json={"enabled": False, "name": "Old phone"}, headers=person.headers)
    assert changed.json() == {**channel, "enabled": False, "name": "Old phone"}
    assert (await api.client.get("/me/notification-channels", headers=person.headers)).json() == [
        changed.json()
    ]
    stranger = await api.person()
    for method, body in (("PATCH", {"json": {}}), ("DELETE", {})):
        assert_problem(await api.client.request(method, path, headers=stranger.headers, **body), 404)
    assert (await api.client.get("/me/notification-channels", headers=stranger.headers)).json() == []
    assert (await api.client.delete(path, headers=person.headers)).status_code == 200
    assert (await api.client.get("/me/notification-channels", headers=person.headers)).json() == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("json://169.254.169.254/latest", "json is not allowed"),
        ("mailto://user:secret@gmail.com", "mailto is not allowed"),
        ("gotifys://10.0.0.1/token", "gotifys is not allowed"),
        ("ntfys://10.0.0.1/topic", "Only ntfy's public server"),
        ("ntfys://user:secret@internal.lan:8080/topic", "Only ntfy's public server"),
        ("tgram://123456789:abcdefg_hijklmnop/12?template=file:///etc/passwd", "parameter that is not allowed"),
        ("discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js?verify=no", "parameter that is not allowed"),
        ("tgram://", "incomplete"),
        ("not a url", "such as tgram"),
        ("ntfys://a b", "spaces"),
    ],
)
async def test_a_url_that_could_lead_into_our_network_is_refused_in_words(
    api: Installation, url: str, said: str
) -> None:
    person = await api.person()
    answer = await api.client.post(
        "/me/notification-channels", json={"name": "Phone", "url": url}, headers=person.headers
    )
    detail = answer.json()["detail"]
    assert said in detail
    assert "secret" not in detail
    assert_invalid(answer, url=["other"])


async def test_names_have_a_length_and_people_a_number_of_services(api: Installation) -> None:
    person = await api.person()

    async def add(name: str) -> httpx.Response:
        body = {"name": name, "url": URL}
        return await api.client.post("/me/notification-channels", json=body, headers=person.headers)

    assert_invalid(await add(""), name=[{"mustHaveLengthBetween": {"min": 1, "max": 40}}])
    for number in range(10):
        assert (await add(f"Phone {number}")).status_code == 201
    eleventh = await add("One more")
    assert "10 services" in eleventh.json()["detail"]
    assert_problem(eleventh, 403)


async def test_preferences_are_changed_one_by_one(mailing: Installation) -> None:
    person = await mailing.person()
    path = "/me/notification-preferences"
    found = (await mailing.client.get(path, headers=person.headers)).json()
    assert found == {
        "byMail": True,
        "ofSharedKits": False,
        "whenOver": False,
        "whenSilent": True,
        "mailAvailable": True,
    }
    for change in (
        {"whenSilent": False},
        {"byMail": False},
        {"whenOver": True},
        {"ofSharedKits": True, "byMail": None},
        {},
    ):
        answer = await mailing.client.patch(path, json=change, headers=person.headers)
        found |= {key: value for key, value in change.items() if value is not None}
        assert answer.json() == found
    assert (await mailing.client.get(path, headers=person.headers)).json() == found


async def test_a_test_message_goes_by_all_ways_and_not_without_end(mailing: Installation) -> None:
    person = await mailing.person()
    body = {"name": "Phone", "url": URL}
    await mailing.client.post("/me/notification-channels", json=body, headers=person.headers)
    sent = await mailing.client.post("/me/test-message", headers=person.headers)
    assert sent.status_code == 202, sent.text
    assert {(each["transport"], each["recipient"], each["state"]) for each in sent.json()} == {
        ("mail", f"{person.username}@example.org", "waiting"),
        ("service", "Phone", "waiting"),
    }
    listed = (await mailing.client.get("/me/messages", headers=person.headers)).json()
    assert sorted(each["id"] for each in listed) == sorted(each["id"] for each in sent.json())
    for _ in range(4):
        assert (await mailing.client.post("/me/test-message", headers=person.headers)).status_code == 202
    limited = await mailing.client.post("/me/test-message", headers=person.headers)
    assert (limited.status_code, limited.json()["type"]) == (429, "/probs/rate-limit")
    other = await mailing.person()
    assert (await mailing.client.get("/me/messages", headers=other.headers)).json() == []


async def test_without_any_way_a_test_message_says_what_to_do(api: Installation) -> None:
    person = await api.person()
    answer = await api.client.post("/me/test-message", headers=person.headers)
    assert "Add a service" in answer.json()["detail"]
    assert_problem(answer, 403)


async def test_nobody_without_a_log_in_learns_of_messages(api: Installation) -> None:
    for path in ("/me/messages", "/me/notification-channels", "/me/notification-preferences"):
        answer = await api.client.get(path)
        assert_problem(answer, 401, "/probs/authorization-header", category="missing")


async def test_the_page_of_a_reset_sets_a_password_once(api: Installation) -> None:
    async with api.engine.begin() as connection:
        user = await create_user(
            connection,
            Passwords(),
            username="resets",
            email_address="resets@example.org",
            password="an old rose",
        )
    token = Tokens(TOKEN_KEY, api.clock).password_reset(user.id, user.password_stamp)
    app = create_app(WebDependencies(services=services_on(api.engine), secret_key="sessions"))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://hortus.test") as client:
        assert token in (await client.get("/password-reset", params={"token": token})).text
        empty = await client.post("/password-reset", data={"token": token, "password": ""})
        assert (empty.status_code, "at least 8 characters" in empty.text) == (400, True)
        elsewhere = {"origin": "http://evil.test"}
        form = {"token": token, "password": "a new rose"}
        assert (await client.post("/password-reset", data=form, headers=elsewhere)).status_code == 403
        done = await client.post("/password-reset", data=form)
        assert (done.status_code, "has been changed" in done.text) == (200, True)
        again = await client.post("/password-reset", data=form)
        assert (again.status_code, "already been used" in again.text) == (400, True)
