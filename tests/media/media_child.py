"""A process that stores one medium and is killed at a step of it: `kill -9` of itself, from within."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hortus.base.database.engine import connector
from hortus.base.database.url import DatabaseUrl
from hortus.domain.kits.registry import KitRegistry
from hortus.domain.media.objects import MediaObjects
from hortus.flow.ingest import media_lane
from hortus.flow.ingest.media_lane import MediaLane
from hortus.flow.ingest.pipeline import IngestPipeline


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Acknowledging:
    """A transport that prints when it acknowledges."""

    def settle(self, handles: Sequence[int]) -> None:
        os.write(1, b"acknowledged")


async def main(url: str, folder: str, payload: str, topic: str, step: str) -> None:
    objects = MediaObjects.in_folder(Path(folder))
    put, store = objects.put, media_lane.store_batch

    async def put_and_die(*arguments: Any, **options: Any) -> None:
        if step == "before object":
            die()
        await put(*arguments, **options)
        if step == "after object":
            die()

    async def store_and_die(connection: Any, *arguments: Any) -> Any:
        if step == "before commit":
            # Everything is written, and nothing of it committed.
            async with connection.transaction():
                await store(connection, *arguments)
                die()
        await store(connection, *arguments)
        die()

    objects.put = put_and_die  # type: ignore[method-assign]
    media_lane.store_batch = store_and_die  # type: ignore[assignment]
    connect = connector(DatabaseUrl.parse(url), "child")
    registry = KitRegistry()
    pipeline = IngestPipeline(connect, registry, media=MediaLane(connect, registry, objects))
    pipeline.offer(Acknowledging(), 1, topic, Path(payload).read_bytes())
    await pipeline.run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
