"""The API as a server on a free port, mounted below /api as in the whole application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg
import httpx
import pytest_asyncio
from api_client import TOKEN_KEY, Clock, Installation
from starlette.applications import Starlette
from starlette.routing import Mount

from hortus.base.database.engine import connector, open_engine
from hortus.base.database.partitions import Month, ensure_partitions
from hortus.base.database.url import DatabaseUrl
from hortus.domain.definitions.store import load_definitions
from hortus.domain.plants.built_in_species import load_species
from hortus.flow.migrations.migrate import upgrade
from hortus.http.access.services import ApiParts, open_reading_engine
from hortus.http.api.app import create_api
from hortus.http.server.server import bind, serving
from waiting import PATIENCE_SECONDS

Serve = Callable[..., AbstractAsyncContextManager[Installation]]


@asynccontextmanager
async def serve_api(database_url: str, prefix: str = "/api", **parts: Any) -> AsyncIterator[Installation]:
    """Serve an API with these parts on the migrated database."""
    clock = Clock()
    url = DatabaseUrl.parse(database_url)
    async with open_engine(url) as engine, open_reading_engine(url) as reading_engine:
        common = {
            "engine": engine,
            "connect": connector(url, "test"),
            "reading_engine": reading_engine,
            "token_key": TOKEN_KEY,
            "clock": clock,
        }
        made = ApiParts(**{**common, **parts})
        api = create_api(made)
        # A mount without a prefix would not match a path with a line break, which the API itself answers.
        app = Starlette(routes=[Mount(prefix, api)]) if prefix else api
        listener = bind("127.0.0.1", 0)
        base_url = f"http://127.0.0.1:{listener.getsockname()[1]}{prefix}"
        async with (
            serving(app, listener),
            httpx.AsyncClient(base_url=base_url, verify=False, timeout=PATIENCE_SECONDS) as client,
        ):
            yield Installation(base_url=base_url, engine=engine, clock=clock, parts=made, client=client)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def migrated_url(module_database_url: str) -> str:
    """A database with everything that a new installation has."""
    url = DatabaseUrl.parse(module_database_url)
    async with open_engine(url) as engine:
        await upgrade(engine)
        async with engine.begin() as connection:
            await load_definitions(connection)
            await load_species(connection)
    connection = await asyncpg.connect(**url.asyncpg_arguments())
    await ensure_partitions(connection, [Month(2026, 1), Month(2026, 2), Month.of(datetime.now(UTC))])
    await connection.close()
    return module_database_url


@pytest_asyncio.fixture
async def api(migrated_url: str) -> AsyncIterator[Installation]:
    """An API with open sign-up."""
    async with serve_api(migrated_url, sign_up_open=True) as installation:
        yield installation


@pytest_asyncio.fixture
async def serve(migrated_url: str) -> Serve:
    """A function that serves APIs with other parts than usual, on the database of the file."""

    def served(**parts: Any) -> AbstractAsyncContextManager[Installation]:
        return serve_api(migrated_url, **parts)

    return served


@pytest_asyncio.fixture
async def serve_at() -> Serve:
    """A function that serves APIs on any migrated database."""
    return serve_api
