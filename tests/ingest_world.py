"""What tests of ingest work with: kits, messages as kits send them, and what the database holds."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.domain.kits.registry import KitRegistry
from hortus.domain.kits.store import CreatedKit, CreatedPeripheral
from hortus.domain.ledger.store import LedgerCounts, read_ledger
from hortus.flow.ingest.pipeline import IngestPipeline
from hortus.protocol.wire.codec import encode_aggregate_measurement, encode_raw_measurement
from hortus.protocol.wire.messages import AggregateMeasurement, RawMeasurement
from waiting import PATIENCE_SECONDS


def now_ms() -> int:
    return int(time.time() * 1000)


@dataclass(eq=False)
class RecordingSource:
    """A transport that only notes what it is told."""

    settled: list[int] = field(default_factory=list)

    def settle(self, handles: Sequence[int]) -> None:
        self.settled.extend(handles)


@dataclass
class World:
    url: str
    engine: AsyncEngine
    connection: asyncpg.Connection
    pipeline: IngestPipeline
    registry: KitRegistry
    kits: list[tuple[CreatedKit, list[CreatedPeripheral]]]
    source: RecordingSource = field(default_factory=RecordingSource)
    _handle: int = 0

    @property
    def kit(self) -> CreatedKit:
        return self.kits[0][0]

    @property
    def peripheral(self) -> int:
        return self.kits[0][1][0].id

    def raw(self, **changes: Any) -> bytes:
        values = {
            "id": uuid.uuid4().bytes,
            "datetime_ms": now_ms(),
            "peripheral": self.peripheral,
            "quantity_type": 1,
            "value": 21.5,
        }
        return encode_raw_measurement(RawMeasurement(**(values | changes)))

    def aggregate(self, **changes: Any) -> bytes:
        end = now_ms()
        values = {
            "id": uuid.uuid4().bytes,
            "datetime_start_ms": end - 60_000,
            "datetime_end_ms": end,
            "peripheral": self.peripheral,
            "quantity_type": 1,
            "values": (("count", 30.0), ("average", 21.25)),
        }
        return encode_aggregate_measurement(AggregateMeasurement(**(values | changes)))

    def topic(self, channel: str = "measurement/raw", serial: str | None = None) -> str:
        return f"kit/{serial or self.kit.serial}/{channel}"

    def offer(self, payload: bytes, channel: str = "measurement/raw", serial: str | None = None) -> int:
        self._handle += 1
        self.pipeline.offer(self.source, self._handle, self.topic(channel, serial), payload)
        return self._handle

    async def settled(self) -> None:
        """Wait until the pipeline has seen everything through."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.pipeline.open_messages:
                await asyncio.sleep(0.005)

    async def send(self, payload: bytes, channel: str = "measurement/raw", serial: str | None = None) -> None:
        handle = self.offer(payload, channel, serial)
        await self.settled()
        assert handle in self.source.settled

    async def ledger(self, kit_id: int | None = None) -> LedgerCounts:
        total = LedgerCounts()
        async with self.engine.connect() as connection:
            kit_ids = None if kit_id is None else {kit_id}
            for line in await read_ledger(connection, now=datetime.now(UTC), hours=2, kit_ids=kit_ids):
                assert line.counts.adds_up
                total.add(line.counts)
        return total

    async def reasons(self) -> dict[str, int]:
        return {reason: count for (_, reason), count in (await self.ledger()).reasons.items()}

    async def count(self, table: str = "raw_measurements") -> int:
        return await self.connection.fetchval(f"SELECT count(*) FROM {table}")
