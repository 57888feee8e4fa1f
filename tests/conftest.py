"""What tests of several capabilities share: one PostgreSQL server for the whole run."""

from __future__ import annotations

import itertools
import logging
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings

from hortus.base.database.engine import open_engine
from hortus.base.embedded_postgres.postgres import EmbeddedPostgres
from hortus.domain.definitions.store import load_definitions
from hortus.domain.plants.built_in_species import load_species
from hortus.flow.migrations.migrate import upgrade

pytest_plugins = ["ingest_fixtures", "two_workers"]

# Tests may run as root, in a place that no other account can reach.
os.environ["HORTUS_ALLOW_ROOT"] = "1"

# Where this is set, each program that a test starts would compile all of its modules anew: two seconds each.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Where this is set (as in pytest's workers), what a command prints keeps that width, whatever a test sets.
os.environ.pop("COLUMNS", None)

# A property is not about how fast a starved machine tries it.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# CI judges a change, not the luck of a draw; `make test` tries new examples each time.
settings.register_profile("ci", settings.get_profile("patient"), derandomize=True)
settings.load_profile("patient")

_numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Take away handlers that a command under test has set up: their stream is closed by then."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    for handler in set(root.handlers) - set(handlers):
        root.removeHandler(handler)
    root.setLevel(level)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres_server() -> AsyncIterator[EmbeddedPostgres]:
    """A running server of its own, for tests that only connect to it; those that stop it make another."""
    # Not below pytest's folder, which TMPDIR and a user's name may make too long for the path of a socket.
    with tempfile.TemporaryDirectory(prefix="hortus-", dir="/tmp") as folder:
        server = EmbeddedPostgres(
            Path(folder, "postgres"), owner_password="owner", superuser_password="superuser"
        )
        await server.start()
        yield server
        await server.stop(patience_seconds=2)


@asynccontextmanager
async def database(server: EmbeddedPostgres, template: str = "template1") -> AsyncIterator[str]:
    """Make a database for as long as the context lasts, and yield its `postgresql://` URL."""
    name = f"test_{next(_numbers)}"
    connection = await asyncpg.connect(**server.superuser_url.asyncpg_arguments())
    try:
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} OWNER {server.url.user}")
        yield replace(server.url, database=name).libpq()
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def migrated_template(postgres_server: EmbeddedPostgres) -> str:
    """The name of a database with this version's schema and the built-in definitions, to be copied."""
    name = "migrated_template"
    connection = await asyncpg.connect(**postgres_server.superuser_url.asyncpg_arguments())
    await connection.execute(f"CREATE DATABASE {name} OWNER {postgres_server.url.user}")
    await connection.close()
    async with open_engine(replace(postgres_server.url, database=name)) as engine:
        await upgrade(engine)
        async with engine.begin() as transaction:
            await load_definitions(transaction)
            await load_species(transaction)
    return name


@pytest.fixture
async def empty_database_url(postgres_server: EmbeddedPostgres) -> AsyncIterator[str]:
    """The URL of a new, empty database that its user owns; dropped after the test."""
    async with database(postgres_server) as url:
        yield url


@pytest.fixture
async def migrated_database_url(
    postgres_server: EmbeddedPostgres, migrated_template: str
) -> AsyncIterator[str]:
    """The URL of a new database with schema and definitions; dropped after the test."""
    async with database(postgres_server, migrated_template) as url:
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_database_url(postgres_server: EmbeddedPostgres, migrated_template: str) -> AsyncIterator[str]:
    """As `migrated_database_url`, but one for all tests of a file."""
    async with database(postgres_server, migrated_template) as url:
        yield url
