"""Fixtures for tests of the path of a reading: a database with kits, and a pipeline that writes to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from hortus.base.database.engine import connector, open_engine
from hortus.base.database.url import DatabaseUrl
from hortus.domain.kits.registry import KitRegistry
from hortus.domain.kits.store import KitStore, NewKit, add_standard_configuration
from hortus.flow.ingest.pipeline import IngestLimits, IngestPipeline
from ingest_world import World


@pytest.fixture
async def world(migrated_database_url: str) -> AsyncIterator[World]:
    """Two kits with standard sensors, and a running pipeline; everything open is stopped at the end."""
    async with running_world(migrated_database_url) as running:
        yield running


@asynccontextmanager
async def running_world(database_url: str) -> AsyncIterator[World]:
    """Make a world on a migrated database for as long as the context lasts."""
    url = DatabaseUrl.parse(database_url)
    async with open_engine(url) as engine:
        async with engine.begin() as connection:
            kits = []
            for name in ("basil", "lettuce"):
                kit = await KitStore().create(connection, NewKit(name=name))
                kits.append((kit, await add_standard_configuration(connection, kit.id)))
        registry = KitRegistry()
        limits = IngestLimits(attempt_seconds=2.0, longest_pause_seconds=0.2, waiting_messages=500)
        pipeline = IngestPipeline(connector(url, "test"), registry, limits=limits)
        running = asyncio.create_task(pipeline.run())
        connection = await asyncpg.connect(database_url)
        try:
            yield World(
                url=database_url,
                engine=engine,
                connection=connection,
                pipeline=pipeline,
                registry=registry,
                kits=kits,
            )
        finally:
            await connection.close()
            await pipeline.stop(5)
            await running
