"""People who forgot their password set a new one with nothing but the pages and their mail."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from web_helpers import PASSWORD, client_of, log_in, make_user

from hortus.base.database.url import DatabaseUrl
from hortus.base.text import shown_lines
from hortus.domain.accounts.password_resets import ResetMailer
from hortus.domain.messages.access import MessageAccess
from hortus.domain.messages.delivery import MessageDelivery
from hortus.domain.messages.reset_mail import QueuedResetMailer
from hortus.domain.messages.sealing import Seal
from hortus.http.server.database_access import DatabaseNotAnswering
from mail_server import MailServer, mail_server, text_of
from waiting import until

TOKEN_KEY = b"the key that signs tokens in tests of pages"
SEAL = Seal(TOKEN_KEY)


@pytest.fixture
async def ada(engine):
    async with engine.begin() as connection:
        await connection.execute(text("DELETE FROM messages"))
        return await make_user(connection, "ada")


class Mails:
    """Records to whom a mail would be sent."""

    def __init__(self) -> None:
        self.sent_to: list[str] = []

    async def send(self, *, email_address: str, username: str, token: str) -> None:
        assert token
        self.sent_to.append(f"{username} <{email_address}>")


def visitor(engine: AsyncEngine, mailer: ResetMailer | None) -> httpx.AsyncClient:
    return client_of(engine, token_key=TOKEN_KEY, reset_mailer=mailer)


async def ask(client: httpx.AsyncClient, address: str, **headers: str) -> httpx.Response:
    return await client.post("/forgotten-password", data={"email_address": address}, headers=headers)


@asynccontextmanager
async def garden_with_mail(
    engine: AsyncEngine, server: MailServer, public_url: str | None
) -> AsyncIterator[httpx.AsyncClient]:
    access = MessageAccess(seal=SEAL, mail=server.account(), public_url=public_url)
    delivery = MessageDelivery(engine, SEAL, access.carriers())
    async with visitor(engine, QueuedResetMailer(engine, access)) as client, running(delivery):
        yield client


@asynccontextmanager
async def running(delivery: MessageDelivery) -> AsyncIterator[None]:
    task = asyncio.create_task(delivery.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


@pytest.mark.parametrize("public_url", ["http://hortus.test", None])
async def test_from_the_log_in_page_by_way_of_a_mail_to_a_new_password(
    engine: AsyncEngine, ada: object, tmp_path: Path, public_url: str | None
) -> None:
    async with mail_server(tmp_path) as server, garden_with_mail(engine, server, public_url) as client:
        assert '<a href="/forgotten-password">' in (await client.get("/login")).text
        assert 'name="email_address"' in (await client.get("/forgotten-password")).text
        answer = await ask(client, " Ada@Example.org ")
        assert (answer.status_code, "an email is on its way" in answer.text) == (200, True)
        await until(lambda: bool(server.mails))
        body = text_of(server.mails[0])
        [token] = re.findall(r"ey[\w.-]+", body)
        way = f"/password-reset?token={token}" if public_url else "/password-reset"
        assert (way in body) is bool(public_url)
        form = (await client.get(way)).text
        # Without a link, there is a field for the token.
        assert ('<input id="token" name="token"' in form) is (public_url is None)
        answer = await client.post("/password-reset", data={"token": f" {token} ", "password": "Remembered."})
        assert "Your password has been changed" in answer.text
        assert (await log_in(client, "ada", PASSWORD)).status_code == 403
        assert (await log_in(client, "ada", "Remembered.")).status_code == 303
        again = await client.post("/password-reset", data={"token": token, "password": "Once more."})
    assert (again.status_code, 'href="/forgotten-password"' in again.text) == (400, True)


async def test_the_answer_is_the_same_whether_somebody_has_the_address_or_not(
    engine: AsyncEngine, ada: object
) -> None:
    mails = Mails()
    async with visitor(engine, mails) as client:
        known, unknown = await ask(client, "ada@example.org"), await ask(client, "eve@example.org")
    assert known.status_code == unknown.status_code == 200
    assert known.text.replace("ada@", "eve@") == unknown.text
    assert mails.sent_to == ["ada <ada@example.org>"]


async def test_who_asks_too_often_has_to_wait_and_causes_no_mail(engine: AsyncEngine, ada: object) -> None:
    mails = Mails()
    async with visitor(engine, mails) as client:
        answers = [await ask(client, f"nobody{number}@example.org") for number in range(5)]
        late = await ask(client, "ada@example.org")
    assert {answer.status_code for answer in answers} == {200}
    assert (late.status_code, mails.sent_to) == (429, [])
    assert 0 < int(late.headers["retry-after"]) <= 300
    assert "Try again in 5 minutes." in late.text


@pytest.mark.parametrize("address", ["", "ada", "ada@", "a\0da@example.org", "ada@exa\nmple.org"])
async def test_what_is_no_address_is_named_and_does_not_count(
    engine: AsyncEngine, ada: object, address: str
) -> None:
    mails = Mails()
    async with visitor(engine, mails) as client:
        for _ in range(6):
            answer = await ask(client, address)
            assert (answer.status_code, "is not an email address" in answer.text) == (400, True)
        assert f'value="{html.escape(shown_lines(address.strip()))}"' in answer.text
        assert (await ask(client, "ada@example.org")).status_code == 200
    assert mails.sent_to == ["ada <ada@example.org>"]


async def test_where_no_mail_is_sent_the_page_says_who_can_help(engine: AsyncEngine, ada: object) -> None:
    async with visitor(engine, None) as client:
        page, answer = await client.get("/forgotten-password"), await ask(client, "ada@example.org")
    assert (page.status_code, answer.status_code) == (200, 403)
    for each in (page, answer):
        assert "hortus user password NAME" in each.text
        assert "<form" not in each.text.partition("<main")[2].partition("</main>")[0]


async def test_forms_of_other_sites_cause_no_mail(engine: AsyncEngine, ada: object) -> None:
    mails = Mails()
    async with visitor(engine, mails) as client:
        answer = await ask(client, "ada@example.org", origin="http://evil.test")
    assert (answer.status_code, mails.sent_to) == (403, [])


async def test_many_who_ask_at_once_do_not_wait_for_each_others_connections(
    engine: AsyncEngine, database_url: str
) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("DELETE FROM messages"))
        for name in ("ada", "eve"):
            await make_user(connection, name)
    url = DatabaseUrl.parse(database_url)
    small = create_async_engine(url.sqlalchemy(), connect_args=_without_dsn(url), pool_size=1, max_overflow=0)
    async with visitor(small, QueuedResetMailer(small, MessageAccess(seal=SEAL))) as client:
        await asyncio.gather(*(ask(client, f"{name}@example.org") for name in ("ada", "eve")))
        async with engine.connect() as connection:
            queued = await connection.scalars(text("SELECT recipient FROM messages ORDER BY recipient"))
        assert list(queued) == ["ada@example.org", "eve@example.org"]
    await small.dispose()


def _without_dsn(url: DatabaseUrl) -> dict[str, Any]:
    return {name: value for name, value in url.asyncpg_arguments().items() if name != "dsn"}


async def test_a_database_that_is_away_is_noted_and_changes_nothing_of_the_answer(
    engine: AsyncEngine, ada: object, caplog: pytest.LogCaptureFixture
) -> None:
    class Away:
        async def send(self, **_: str) -> None:
            raise DatabaseNotAnswering

    async with visitor(engine, Away()) as client:
        assert (await ask(client, "ada@example.org")).status_code == 200
    assert "could not send a password reset mail: The database does not answer" in caplog.text
