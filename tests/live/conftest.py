"""The live feed of one process on a database of its own for each file."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from live_world import LiveWorld, live_world

NAMED_ORIGIN = "https://named.example"
"""An origin whose pages may send credentials to the API."""


@pytest.fixture
async def live(module_database_url: str) -> AsyncIterator[LiveWorld]:
    """A process that serves the live feed."""
    async with live_world(module_database_url, named_origins=frozenset({NAMED_ORIGIN})) as world:
        yield world
