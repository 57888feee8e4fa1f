"""Hortus behind PgBouncer: sessions work, and pooling by transaction is noticed before anything goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from pool_process import pgbouncer
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.app.waiting import wait_for_current_database
from hortus.base.database.engine import connector, open_engine
from hortus.base.database.sessions import ConnectionsShared, require_sessions
from hortus.base.database.url import DatabaseUrl
from hortus.http.app import WebDependencies, create_app
from web_services import services_on

SENTENCE = "Set `pool_mode = session` in PgBouncer"


@asynccontextmanager
async def web_on(engine: AsyncEngine) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(WebDependencies(services=services_on(engine), secret_key="only for tests"))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://hortus.test") as client:
        yield client


async def test_connections_for_readings_are_opened_through_a_pool_of_sessions(
    migrated_database_url: str,
) -> None:
    async with pgbouncer(DatabaseUrl.parse(migrated_database_url), "session") as url:
        connection = await connector(url, "hortus ingest")()
        try:
            assert await connection.fetchval("SHOW application_name") == "hortus ingest"
            assert await connection.fetchval("SHOW idle_in_transaction_session_timeout") == "5s"
        finally:
            await connection.close()
        async with open_engine(url) as engine, web_on(engine) as client:
            await require_sessions(engine)
            assert (await client.get("/readyz")).status_code == 200
            assert (await client.get("/")).status_code == 200


@pytest.mark.parametrize("options", ["-c idle_in_transaction_session_timeout=7000", "-c geqo=off"])
async def test_an_operators_own_limit_of_silence_is_kept(migrated_database_url: str, options: str) -> None:
    url = DatabaseUrl.parse(
        f"{migrated_database_url}?options={options.replace(' ', '%20').replace('=', '%3D')}"
    )
    connection = await connector(url, "hortus ingest")()
    try:
        limit = await connection.fetchval("SHOW idle_in_transaction_session_timeout")
    finally:
        await connection.close()
    assert limit == ("7s" if "7000" in options else "5s")


@pytest.mark.parametrize("mode", ["transaction", "statement"])
async def test_a_pool_that_shares_connections_is_noticed_and_nothing_is_ready(
    migrated_database_url: str, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with pgbouncer(DatabaseUrl.parse(migrated_database_url), mode) as url, open_engine(url) as engine:
        with pytest.raises(ConnectionsShared, match=SENTENCE):
            await require_sessions(engine)
        with pytest.raises(ConnectionsShared, match=SENTENCE):
            await wait_for_current_database(engine, url)
        async with web_on(engine) as client:
            ready = await client.get("/readyz")
            assert ready.status_code == 503
            assert SENTENCE in ready.json()["checks"]["database"]
            assert (await client.get("/readyz")).status_code == 503
            pages = await asyncio.gather(*(client.get("/") for _ in range(30)))
        assert {page.status_code for page in pages} <= {200, 503}
    assert "Traceback" not in caplog.text


async def test_a_database_of_ones_own_has_sessions(migrated_database_url: str) -> None:
    async with open_engine(DatabaseUrl.parse(migrated_database_url)) as engine:
        await require_sessions(engine)
        async with engine.connect() as connection:
            left = await connection.scalar(text("SELECT current_setting('hortus.session', true)"))
    assert not left
