"""The live feed of one process on a database of its own for each file."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from live_world import LiveWorld, live_world


@pytest.fixture
async def live(module_database_url: str) -> AsyncIterator[LiveWorld]:
    """A process that serves the live feed."""
    async with live_world(module_database_url) as world:
        yield world
