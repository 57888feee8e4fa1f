"""The daily job that removes configurations for good once it is too late to bring them back."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.base.database.engine import close_soon
from hortus.base.supervision import note_success
from hortus.domain.kits.removal import remove_due
from hortus.flow.ingest.messages import Stream
from hortus.flow.quarantine.replay import replay
from hortus.flow.quarantine.store import quarantine_ids, waiting_for_deleted

# Media count towards the limits anyway, and this job may lack the place for them.
_READINGS = (str(Stream.RAW), str(Stream.AGGREGATE))

EVERY_SECONDS = 86_400.0

Connect = Callable[[], Awaitable[asyncpg.Connection]]


async def remove_regularly(engine: AsyncEngine, connect: Connect, clock_tolerance_ms: int) -> None:
    """Remove what is due every day until cancelled. Raises what the database raises."""
    while True:
        await remove_for_good(engine, connect, clock_tolerance_ms)
        note_success()
        await asyncio.sleep(EVERY_SECONDS * random.uniform(0.8, 1.0))  # noqa: S311  (spread, not a secret)


async def remove_for_good(engine: AsyncEngine, connect: Connect, clock_tolerance_ms: int) -> None:
    """Remove the configurations that are due, and give what waits for them in quarantine its present reason.

    That of a peripheral which no longer exists counts towards the limits of the quarantine.
    """
    kit_ids = sorted({each.kit_id for each in await remove_due(engine)})
    if not kit_ids:
        return
    connection = await connect()
    try:
        for kit_id in kit_ids:
            wanted = replace(waiting_for_deleted(kit_id), streams=_READINGS)
            async with engine.connect() as reading:
                ids = await quarantine_ids(reading, wanted)
            await replay(connection, ids, clock_tolerance_ms=clock_tolerance_ms)
            note_success()
    finally:
        await close_soon(connection)
