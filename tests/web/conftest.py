"""Databases for the tests of the pages, copied from one that was migrated once."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.database.engine import open_engine
from hortus.database.url import DatabaseUrl

_FILLED_BY_TESTS = (
    "raw_measurements",
    "ingest_ledger",
    "ingest_ledger_reasons",
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
