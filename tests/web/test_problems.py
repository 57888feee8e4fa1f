from __future__ import annotations

import re

import asyncpg
import httpx
import pytest
from sqlalchemy import text
from web_helpers import PASSWORD, app_of, client_of

from hortus.base.database.engine import open_engine
from hortus.base.database.url import DatabaseUrl
from hortus.base.embedded_postgres.postgres import EmbeddedPostgres
from hortus.flow.migrations.migrate import upgrade
from hortus.http.server.database_access import DatabaseNotAnswering, database_failures_translated

PROTECTION = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("GET", "/nowhere", 404),
        ("PUT", "/", 405),
        ("GET", "/login", 200),
        ("GET", "/healthz", 200),
    ],
)
async def test_every_answer_protects_those_who_look_at_it(engine, method, path, status):
    async with client_of(engine) as client:
        answer = await client.request(method, path)
    assert answer.status_code == status
    assert PROTECTION.items() <= dict(answer.headers).items()
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize(
    ("method", "address", "status"),
    [
        ("GET", "/species?q=%00", 400),
        ("GET", "/species?a%00b=1", 400),
        ("GET", "/map?q=a%00b", 400),
        ("GET", "/search?q=%00", 400),
        ("GET", "/kits/k%00", 404),
        ("GET", "/nowhere/%00", 404),
        ("POST", "/admin/devices/gateways/%00/remove", 404),
        ("POST", "/admin/people/%00/log-out-everywhere?q=%00", 404),
    ],
)
async def test_a_zero_character_in_an_address_never_reaches_the_database(engine, method, address, status):
    async with client_of(engine) as client:
        answer = await client.request(method, address)
    assert answer.status_code == status
    assert "<h1" in answer.text
    assert PROTECTION.items() <= dict(answer.headers).items()


async def test_below_api_a_failure_is_a_problem_document(engine):
    async with client_of(engine) as client:
        answer = await client.get("/api/nowhere")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {"type": "about:blank", "title": "Not Found", "status": 404}


async def test_a_failure_that_nobody_foresaw_is_logged_and_answered_without_details(own_engine, caplog):
    async with own_engine.begin() as connection:
        await connection.execute(text("DROP TABLE ingest_ledger"))
    async with client_of(own_engine) as client:
        answer = await client.get("/")
    assert answer.status_code == 500
    assert "Hortus made a mistake" in answer.text
    assert "ingest_ledger" not in answer.text
    assert PROTECTION.items() <= dict(answer.headers).items()
    reference = re.search(r"under <code>([0-9a-f]{4}-[0-9a-f]{2})</code>", answer.text)
    assert reference
    assert f"GET / failed, reference {reference[1]}" in caplog.text


async def test_an_unforeseen_failure_below_api_is_a_problem_document(engine, caplog):
    app = app_of(engine)

    async def fail(_request):
        raise RuntimeError("secret detail")

    app.add_route("/api/fail", fail)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://hortus.test") as client:
        answer = await client.get("/api/fail")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {"type": "about:blank", "title": "Internal Server Error", "status": 500}


async def test_while_the_database_is_down_pages_say_so_and_try_again_by_themselves(tmp_path_factory):
    server = EmbeddedPostgres(
        tmp_path_factory.mktemp("down"), owner_password="owner", superuser_password="superuser"
    )
    url = await server.start()
    try:
        async with open_engine(url) as engine, client_of(engine) as client:
            await upgrade(engine)
            async with engine.begin() as connection:
                await _insert_kit(connection)
            assert "Fern" in (await client.get("/")).text
            await server.stop(patience_seconds=2)
            await _answers_while_down(client)
            await server.start()
            assert "Fern" in (await client.get("/")).text
            assert (await client.get("/readyz")).status_code == 200
    finally:
        await server.stop(patience_seconds=2)


async def test_a_database_that_cannot_be_reached_is_no_error_of_ours():
    url = DatabaseUrl.parse("postgresql://nobody:nothing@127.0.0.1:1/none")
    async with open_engine(url) as engine, client_of(engine) as client:
        await _answers_while_down(client)
        form = {"username": "ada", "password": PASSWORD}
        answer = await client.post("/login", data=form)
        assert answer.status_code == 503
        assert "Logging in does not work right now: the database is not answering." in answer.text


async def _answers_while_down(client):
    page = await client.get("/?page=2")
    assert page.status_code == 503
    assert "The database is not answering" in page.text
    assert '<meta http-equiv="refresh" content="5">' in page.text
    assert page.headers["retry-after"] == "5"
    ready = await client.get("/readyz")
    assert ready.status_code == 503
    assert ready.json()["checks"]["database"] == "The database does not answer at the moment."
    assert (await client.get("/healthz")).status_code == 200


async def _insert_kit(connection):
    await connection.execute(
        text(
            "INSERT INTO kits (serial, password_hash, name, privacy_public_dashboard) "
            "VALUES ('k', '', 'Fern', true)"
        )
    )


@pytest.mark.parametrize(
    "failure",
    [
        asyncpg.InternalClientError("the connection ended while it was read"),
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.ConnectionDoesNotExistError("connection was closed"),
        ConnectionResetError("reset by peer"),
        TimeoutError(),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_every_way_in_which_a_connection_fails_is_a_database_that_does_not_answer(failure):
    with pytest.raises(DatabaseNotAnswering), database_failures_translated():
        raise failure
