"""Changes of kits are announced to listeners, even after the announcing connection went dead."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from hortus.base.database import listening
from hortus.domain.kits.announcements import follow_announcements
from waiting import PATIENCE_SECONDS


async def test_a_connection_that_went_silent_is_replaced_and_changes_are_heard_again(
    migrated_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "PING_SECONDS", 0.05)
    monkeypatch.setattr(listening, "_ANSWER_SECONDS", 0.1)
    monkeypatch.setattr(listening, "_RETRY_SECONDS", 0.01)
    heard: list[tuple[str, str]] = []
    made: list[asyncpg.Connection] = []

    async def connect() -> asyncpg.Connection:
        made.append(await asyncpg.connect(migrated_database_url))
        return made[-1]

    following = asyncio.create_task(
        follow_announcements(connect, [lambda what, serial: heard.append((what, serial))])
    )
    writing = await asyncpg.connect(migrated_database_url)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while ("reconnected", "") not in heard:
            await asyncio.sleep(0.01)
        made[0]._transport.pause_reading()  # as when the network swallows everything
        while heard.count(("reconnected", "")) < 2:
            await asyncio.sleep(0.01)
        await writing.execute("INSERT INTO kits (serial, password_hash) VALUES ('k-heard', 'x')")
        await writing.execute("DELETE FROM kits WHERE serial = 'k-heard'")
        while ("kit-deleted", "k-heard") not in heard:
            await asyncio.sleep(0.01)
    await writing.close()
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following
