"""Several workers wait for the same messages, and only one of them can have them."""

from __future__ import annotations

import asyncio
from functools import partial

from hortus.base.database.engine import connector
from hortus.base.database.url import DatabaseUrl
from hortus.domain.kits.registry import KitRegistry
from hortus.flow.ingest.pipeline import IngestLimits, IngestPipeline
from ingest_world import RecordingSource, World
from waiting import until


async def test_a_worker_that_finds_its_messages_taken_waits_for_the_next(world: World) -> None:
    pipeline = IngestPipeline(
        connector(DatabaseUrl.parse(world.url), "hortus ingest"),
        KitRegistry(),
        limits=IngestLimits(workers=4, linger_seconds=0.01),
    )
    source = RecordingSource()
    running = asyncio.create_task(pipeline.run())
    for offered in range(1, 6):
        # All workers wake for this one message.
        pipeline.offer(source, offered, world.topic(), world.raw())
        await until(partial(_settled_or_done, running, source, offered), "the reading")
        assert not running.done(), "the pipeline ended"
    await pipeline.stop(5)
    await running
    assert await world.count() == 5
    batches = await world.connection.fetchval("SELECT count(*) FROM ingest_batches")
    assert batches == 5


def _settled_or_done(running: asyncio.Task[None], source: RecordingSource, count: int) -> bool:
    return running.done() or len(source.settled) == count
