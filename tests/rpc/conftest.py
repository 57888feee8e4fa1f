from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from rpc_world import RpcWorld, rpc_world


@pytest.fixture
async def rpc_installation(migrated_database_url: str) -> AsyncIterator[RpcWorld]:
    """An installation with the built-in endpoint, and an administrator."""
    async with rpc_world(migrated_database_url) as world:
        yield world
