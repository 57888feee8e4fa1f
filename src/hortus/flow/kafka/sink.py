"""Stores the records of all topics that one process reads, through the normal ingest pipeline.

Each topic has its own reader, which is a separate member of the consumer group. One member for all topics would
be simpler, but the group distributes partitions by their number alone: a second sink could be given all
partitions of the quiet topics and none of the busy one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hortus.flow.ingest.pipeline import IngestPipeline
from hortus.flow.kafka.connection import KafkaConnection
from hortus.flow.kafka.metrics import SinkMetrics
from hortus.flow.kafka.reader import ReaderLimits, TopicReader
from hortus.flow.kafka.topics import TopicNames


class KafkaSink:
    """The readers of one process. Call `run` once; it ends after `stop`."""

    def __init__(
        self,
        connection: KafkaConnection,
        names: TopicNames,
        topics: Sequence[str],
        pipeline: IngestPipeline,
        *,
        group: str,
        limits: ReaderLimits | None = None,
    ) -> None:
        self.readers = [
            TopicReader(connection, names, topic, pipeline, group=group, limits=limits) for topic in topics
        ]

    async def run(self) -> None:
        """Read until `stop` is called, then finish the open records and leave the group."""
        async with asyncio.TaskGroup() as group:
            for reader in self.readers:
                group.create_task(reader.run())

    def stop(self) -> None:
        """Stop reading and make `run` return."""
        for reader in self.readers:
            reader.stop()

    @property
    def metrics(self) -> SinkMetrics:
        """The combined counters of all readers."""
        return SinkMetrics.total(reader.metrics for reader in self.readers)
