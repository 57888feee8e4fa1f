"""Shared by sink and replay: the library's consumer, used from one thread, and records offered as messages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message

from hortus.flow.ingest.messages import InboundMessage
from hortus.flow.ingest.pipeline import IngestPipeline
from hortus.flow.kafka.lane import Lane
from hortus.flow.kafka.records import message_of
from hortus.flow.kafka.topics import TopicNames
from hortus.protocol.wire.limits import MEBIBYTE

T = TypeVar("T")

# Prefetched records are held in the library's memory: bounded, and small compared to the process's limit.
_FETCHED_AHEAD_KIBIBYTES = 16 * 1024
_FETCH_BYTES = 16 * MEBIBYTE


def reading_settings() -> dict[str, Any]:
    """Return the library settings for reading with bounded memory and without automatic offset commits."""
    return {
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "queued.max.messages.kbytes": _FETCHED_AHEAD_KIBIBYTES,
        "fetch.max.bytes": _FETCH_BYTES,
        "fetch.wait.max.ms": 50,
    }


def offer_record(pipeline: IngestPipeline, names: TopicNames, lane: Lane, record: Message) -> None:
    """Offer a record to the pipeline as the message it was made from."""
    offset = record.offset()
    assert offset is not None
    if not lane.open(offset):
        return
    kind, written_at_ms = record.timestamp()
    headers = dict(record.headers() or ())
    arrived = message_of(
        names.stream_of(lane.topic),
        record.key(),
        record.value(),
        headers,
        0 if kind == TIMESTAMP_NOT_AVAILABLE else written_at_ms,
    )
    pipeline.take(
        InboundMessage(
            lane,
            offset,
            arrived.topic,
            arrived.payload,
            arrived.received_at_ms,
            arrived.verdict,
            arrived.serial,
            arrived.content,
            arrived.whole_bytes,
        )
    )


class OneThread:
    """A thread that makes all blocking calls to a consumer, one after the other."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="kafka consumer")

    async def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run the function in the thread and return its result."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, function, *arguments)

    def end(self) -> None:
        """End the thread."""
        self._executor.shutdown(wait=False)
