"""A garden for each test of alerts."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from garden import Garden, open_garden


@pytest.fixture
async def garden(module_database_url: str) -> AsyncIterator[Garden]:
    async with open_garden(module_database_url) as made:
        yield made
