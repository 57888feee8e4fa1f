"""A database and a mail server for each test of messages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.base.database.engine import open_engine
from hortus.base.database.url import DatabaseUrl
from mail_server import MailServer, mail_server


@pytest.fixture
async def engine(migrated_database_url: str) -> AsyncIterator[AsyncEngine]:
    async with open_engine(DatabaseUrl.parse(migrated_database_url)) as opened:
        yield opened


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[MailServer]:
    async with mail_server(tmp_path) as running:
        yield running
