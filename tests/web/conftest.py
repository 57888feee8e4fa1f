"""Databases for the tests of the pages, copied from one that was migrated once, and a browser."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest
from playwright.async_api import Browser, Page, async_playwright, expect
from sqlalchemy.ext.asyncio import AsyncEngine
from web_helpers import CHROMIUM, PATIENCE_MS

from hortus.base.database.engine import open_engine
from hortus.base.database.url import DatabaseUrl
from programs import browser_environment

expect.set_options(timeout=PATIENCE_MS)

OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]

_FILLED_BY_TESTS = (
    "administration_log",
    "queue_media_pending_deletion",
    "quarantine",
    "waiting_boards",
    "boards",
    "gateways",
    "raw_measurements",
    "ingest_ledger",
    "ingest_ledger_reasons",
    "media",
    "plants",
    "kits",
    "users",
)


@pytest.fixture
async def database_url(module_database_url: str) -> str:
    """The URL of a database with this version's schema, the built-in definitions and nothing else."""
    connection = await asyncpg.connect(**DatabaseUrl.parse(module_database_url).asyncpg_arguments())
    await connection.execute(";".join(f"DELETE FROM {table}" for table in _FILLED_BY_TESTS))
    await connection.close()
    return module_database_url


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """An engine of that database. Its schema and definitions must stay as they are."""
    async with open_engine(DatabaseUrl.parse(database_url)) as engine:
        yield engine


@pytest.fixture
async def own_engine(migrated_database_url: str) -> AsyncIterator[AsyncEngine]:
    """An engine of a database in which a test may change everything."""
    async with open_engine(DatabaseUrl.parse(migrated_database_url)) as engine:
        yield engine


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=OPTIONS, env=browser_environment()
        )
        yield browser
        await browser.close()


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A tab that fails the test on any script error, and on any message such as a refused script or style."""
    complaints: list[str] = []
    context = await browser.new_context()
    page = await context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text))
    yield page
    # Messages of the browser and htmx about requests that fail while the server is away are expected.
    # Of a field with autofocus the browser complains if a script was faster than it.
    expected = (
        "Autofocus processing was blocked",
        "Failed to load resource",
        "htmx:sendError",
        "htmx:afterRequest",
        "Response Status Error Code 503",
    )
    assert [text for text in complaints if not text.startswith(expected)] == []
