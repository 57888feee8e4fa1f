"""Notifications on the pages: preferences, services and their URLs, tests and what became of them."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import text
from web_helpers import app_of, client_to, log_in, make_user

from hortus.domain.messages.access import MessageAccess
from hortus.domain.messages.mail_account import MailAccount, Security
from hortus.domain.messages.sealing import Seal
from hortus.domain.messages.service_forms import KINDS, OTHER, WrongField, kind_of
from hortus.domain.messages.services import ServicePolicy
from hortus.http.access.rate_limits import Allowance, Allowances

SEAL = Seal(b"the key of an installation, for tests")
MAIL = MailAccount(host="127.0.0.1", port=1, security=Security.NONE, sender="hortus@example.org")


def site(engine, **changes):
    return app_of(engine, message_access=MessageAccess(**{"seal": SEAL, "mail": MAIL} | changes))


@pytest.fixture
async def ada(engine):
    async with engine.begin() as connection:
        for name in ("ada", "eve"):
            await make_user(connection, name)
    async with client_to(site(engine)) as client:
        await log_in(client, "ada")
        yield client


async def rows(engine, statement: str) -> list[tuple]:
    async with engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(statement))]


async def test_preferences_are_sentences_with_switches(engine, ada):
    page = (await ada.get("/account/notifications")).text
    assert 'name="when_silent" value="yes" checked' in page
    saved = await ada.post("/account/notifications", data={"when_over": "yes"})
    assert saved.headers["location"] == "/account/notifications?said=saved"
    stored = await rows(
        engine, "SELECT by_mail, of_shared_kits, when_over, when_silent FROM notification_preferences"
    )
    assert stored == [(False, False, True, False)]


async def test_a_service_is_made_of_its_fields_and_its_url_is_never_shown(engine, ada):
    assert "Telegram" in (await ada.get("/account/notifications/new")).text
    form = {"name": "My telephone", "token": "123456789:AAE-secret_token", "chat": "-1001"}
    added = await ada.post("/account/notifications/new/tgram", data=form)
    assert added.headers["location"] == "/account/notifications?said=added"
    ((scheme, sealed),) = await rows(engine, "SELECT scheme, sealed_url FROM notification_channels")
    assert (scheme, SEAL.open(bytes(sealed))) == ("tgram", "tgram://123456789:AAE-secret_token/-1001")
    page = (await ada.get("/account/notifications")).text
    assert ("My telephone" in page, "secret_token" in page) == (True, False)


async def test_a_service_that_cannot_be_is_refused_at_its_field_without_the_secret(engine, ada):
    form = {"name": "", "token": "my secret token", "chat": "-1001"}
    refused = await ada.post("/account/notifications/new/tgram", data=form)
    assert (refused.status_code, 'href="#token"' in refused.text) == (422, True)
    assert ("my secret token" in refused.text, 'value="-1001"' in refused.text) == (False, True)
    assert (await ada.get("/account/notifications/new/other")).status_code == 404
    assert (await ada.get("/account/notifications/new/smtp")).status_code == 404
    assert await rows(engine, "SELECT 1 FROM notification_channels") == []


async def test_another_service_is_added_by_url_where_the_operator_allows_more(engine, ada):
    app = site(engine, services=ServicePolicy(added=frozenset({"gotifys"})))
    async with client_to(app) as client:
        await log_in(client, "ada")
        added = await client.post(
            "/account/notifications/new/other", data={"name": "Gotify", "url": "gotifys://host.example/token"}
        )
        assert added.status_code == 303
        refused = await client.post(
            "/account/notifications/new/other", data={"name": "Mail", "url": "mailto://a:b@example.org"}
        )
        assert (refused.status_code, "mailto is not allowed here" in refused.text) == (422, True)


async def test_a_service_is_switched_off_and_deleted_by_its_owner_alone(engine, ada):
    await ada.post("/account/notifications/new/ntfys", data={"name": "Telephone", "topic": "garden-x"})
    path = re.search(r"/account/notifications/services/\d+/", (await ada.get("/account/notifications")).text)[0]
    async with client_to(site(engine)) as eve:
        await log_in(eve, "eve")
        for action in ("switch", "delete"):
            assert (await eve.post(path + action)).status_code == 404
    await ada.post(f"{path}switch", data={"on": ""})
    assert await rows(engine, "SELECT enabled FROM notification_channels") == [(False,)]
    assert "Delete this service?" in (await ada.get(f"{path}delete")).text
    assert (await ada.post(f"{path}delete")).headers["location"] == "/account/notifications?said=deleted"
    assert await rows(engine, "SELECT 1 FROM notification_channels") == []


async def test_a_test_goes_one_way_and_the_page_waits_for_what_becomes_of_it(engine, ada):
    await ada.post("/account/notifications/new/ntfys", data={"name": "Telephone", "topic": "garden-x"})
    assert (await ada.post("/account/notifications/test", data={"way": "mail"})).status_code == 303
    assert await rows(engine, "SELECT transport, kind FROM messages") == [("mail", "test")]
    page = (await ada.get("/account/notifications")).text
    assert ("Waiting to be sent" in page, 'hx-trigger="every 2s"' in page) == (True, True)
    assert (await ada.get("/account/notifications/ways")).status_code == 200
    async with engine.begin() as connection:
        failure = "The mail server rejected the mail: 554 no"
        await connection.execute(
            text("UPDATE messages SET state = 'given-up', failure = :failure, finished_at = now()"),
            {"failure": failure},
        )
    told = await ada.get("/account/notifications/ways")
    assert (told.status_code, f"Given up: {failure}" in told.text) == (286, True)


async def test_tests_are_limited_and_need_a_way_that_is_on(engine, ada):
    await ada.post("/account/notifications", data={})
    refused = await ada.post("/account/notifications/test", data={"way": "mail"})
    assert (refused.status_code, "Switch it on before you send a test." in refused.text) == (409, True)
    allowances = Allowances(test_messages=Allowance(at_once=1, refill_seconds=600.0))
    app = app_of(engine, message_access=MessageAccess(seal=SEAL, mail=MAIL), allowances=allowances)
    async with client_to(app) as client:
        await log_in(client, "ada")
        await client.post("/account/notifications", data={"by_mail": "yes"})
        answers = [await client.post("/account/notifications/test", data={"way": "mail"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [303, 429]
    assert "Too many attempts. Try again in 10 minutes." in answers[1].text


_VALUES = {
    "ntfys": {"topic": "garden-x"},
    "tgram": {"token": "123456789:AAE-secret_token", "chat": "@garden"},
    "discord": {"url": "https://discord.com/api/webhooks/123456789012345678/abc-DEF_1"},
    "slack": {"url": "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"},
    "gchat": {"url": "https://chat.googleapis.com/v1/spaces/AAA/messages?key=k-1&token=t%3D2"},
    "pover": {"user": "u" * 30, "token": "a" * 30},
    "pbul": {"key": "o.abcdefgh"},
    "prowl": {"key": "a" * 40},
    "psafers": {"key": "abcdefgh12345678"},
    "spush": {"key": "abc123"},
    "threema": {"gateway": "*GATEWAY", "secret": "s" * 16, "to": "ABCDEFGH"},
}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.scheme != OTHER], ids=lambda kind: kind.scheme)
def test_the_fields_of_each_kind_make_a_url_that_is_allowed(kind):
    assert ServicePolicy().check(kind.url(_VALUES[kind.scheme])) == kind.scheme


@pytest.mark.parametrize("wrong", ["", "a b", "x/../y", "x?overflow=1", "é", "x" * 301])
def test_what_a_service_never_shows_is_no_part_of_a_url(wrong):
    for scheme, values in _VALUES.items():
        for field in values:
            with pytest.raises(WrongField):
                kind_of(scheme).url(values | {field: wrong})
