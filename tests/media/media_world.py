"""Media as kits send them, and a pipeline that stores them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from hortus.base.database.engine import connector
from hortus.base.database.url import DatabaseUrl
from hortus.domain.kits.registry import KitRegistry
from hortus.domain.media.keys import ObjectKey
from hortus.domain.media.objects import MediaObjects
from hortus.flow.ingest.media_lane import MediaLane, MediaLimits
from hortus.flow.ingest.metrics import IngestMetrics
from hortus.flow.ingest.pipeline import IngestPipeline
from hortus.protocol.wire.codec import encode_media
from hortus.protocol.wire.messages import Media
from ingest_world import RecordingSource, World, now_ms
from waiting import PATIENCE_SECONDS

QUICK = MediaLimits(attempt_seconds=5.0, longest_pause_seconds=0.1)


@dataclass
class MediaWorld:
    """A world whose pipeline stores media in a folder."""

    world: World
    pipeline: IngestPipeline
    lane: MediaLane
    objects: MediaObjects
    folder: Path
    source: RecordingSource = field(default_factory=RecordingSource)
    handle: int = 0

    def medium(self, **changes: Any) -> bytes:
        return encode_media(Media(**(self.fields() | changes)))

    def fields(self) -> dict[str, Any]:
        return {
            "id": uuid.uuid4().bytes,
            "datetime_ms": now_ms(),
            "peripheral": self.world.peripheral,
            "name": "regular.png",
            "type": "image/png",
            "data": b"\x89PNG picture",
            "metadata": "null",
        }

    def offer(self, payload: bytes, serial: str | None = None) -> int:
        self.handle += 1
        self.pipeline.offer(self.source, self.handle, self.world.topic("media", serial), payload)
        return self.handle

    async def send(self, payload: bytes, serial: str | None = None) -> None:
        """Send a medium and wait for its acknowledgement."""
        handle = self.offer(payload, serial)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while handle not in self.source.settled:
                await asyncio.sleep(0.005)

    async def row(self, medium_id: bytes) -> asyncpg.Record | None:
        return await self.world.connection.fetchrow(
            "SELECT * FROM media WHERE id = $1", uuid.UUID(bytes=medium_id)
        )

    async def content(self, medium_id: bytes, serial: str | None = None) -> bytes:
        key = ObjectKey(serial or self.world.kit.serial, uuid.UUID(bytes=medium_id))
        return b"".join([piece async for piece in await self.objects.get(key)])

    def files(self) -> set[str]:
        """The paths of all files in the folder."""
        return {str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file()}

    async def quarantined(self) -> list[str]:
        return [row["reason"] for row in await self.world.connection.fetch("SELECT reason FROM quarantine")]


@asynccontextmanager
async def storing_media(
    world: World, folder: Path, *, objects: MediaObjects | None = None, limits: MediaLimits = QUICK
) -> AsyncIterator[MediaWorld]:
    """Run a pipeline that stores media, beside the world's own."""
    objects = objects or MediaObjects.in_folder(folder)
    connect = connector(DatabaseUrl.parse(world.url), "test media")
    registry = KitRegistry()
    metrics = IngestMetrics()
    lane = MediaLane(connect, registry, objects, limits=limits, metrics=metrics)
    pipeline = IngestPipeline(connect, registry, media=lane, metrics=metrics)
    running = asyncio.create_task(pipeline.run())
    try:
        yield MediaWorld(world, pipeline, lane, objects, folder)
    finally:
        await pipeline.stop(5)
        await running
