"""The API for PlantKeeper's clients on a free port, with a pipeline that really stores."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from plantkeeper_world import PlantKeeper, serve_plantkeeper

from ingest_fixtures import running_world


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def keeper(module_database_url: str) -> AsyncIterator[PlantKeeper]:
    """The whole web application, with open sign-up. One for all tests of a file."""
    async with running_world(module_database_url) as world, serve_plantkeeper(world) as served:
        yield served
