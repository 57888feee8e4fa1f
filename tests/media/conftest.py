"""Fixtures for tests of media."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from media_world import MediaWorld, storing_media

from ingest_world import World


@pytest.fixture
async def media(world: World, tmp_path: Path) -> AsyncIterator[MediaWorld]:
    """Two kits, and a running pipeline that stores media in a folder."""
    async with storing_media(world, tmp_path / "media") as ready:
        yield ready
