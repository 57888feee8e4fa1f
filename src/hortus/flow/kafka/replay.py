"""Reads past records of the topics again, to rebuild the readings in the database.

Reads every partition from a given time up to its end at the start of the replay, through the normal ingest
pipeline and outside the consumer group: running sinks are not disturbed, and no offset is committed. Readings
already in the database are detected as duplicates (P2), so a replay may start too early, and may be aborted and
restarted.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from hortus.flow.ingest.pipeline import IngestPipeline, MediaIntake
from hortus.flow.kafka.connection import BrokerWatch, KafkaConnection, KafkaUnreachable
from hortus.flow.kafka.consuming import OneThread, offer_record, reading_settings
from hortus.flow.kafka.lane import Lane
from hortus.flow.kafka.topics import TopicNames

log = logging.getLogger(__name__)

_REQUEST_SECONDS = 30.0
_CONSUME_MESSAGES = 1000
_CONSUME_SECONDS = 0.1
_SETTLE_LOOK_SECONDS = 0.05

Progress = Callable[[int, int], None]
"""Called with the number of records done and the total."""


class Replay:
    """A replay of these topics from a given time. Call `run` once."""

    def __init__(
        self,
        connection: KafkaConnection,
        names: TopicNames,
        topics: Sequence[str],
        pipeline: IngestPipeline,
        *,
        since: datetime,
    ) -> None:
        self._connection = connection
        self._names = names
        self._topics = topics
        self._pipeline = pipeline
        self._since_ms = round(since.timestamp() * 1000)
        self._brokers = BrokerWatch()
        self._lanes: dict[tuple[str, int], Lane] = {}
        self._ends: dict[tuple[str, int], int] = {}
        self._ended: set[tuple[str, int]] = set()
        self._total = 0

    async def run(self, progress: Progress) -> int:
        """Read and store all records; return their number. Raises KafkaUnreachable."""
        thread = OneThread()
        consumer = Consumer(self._configuration())
        try:
            await thread.call(self._find_places, consumer)
            while len(self._ended) < len(self._ends):
                records = await thread.call(consumer.consume, _CONSUME_MESSAGES, _CONSUME_SECONDS)
                for record in records:
                    self._take(record)
                progress(self._done(), self._total)
                await self._room()
            while not all(lane.idle.is_set() for lane in self._lanes.values()):
                progress(self._done(), self._total)
                await asyncio.sleep(_SETTLE_LOOK_SECONDS)
            progress(self._total, self._total)
        finally:
            await asyncio.shield(thread.call(consumer.close))
            thread.end()
        return self._total

    def _configuration(self) -> dict[str, Any]:
        return {
            **self._connection.configuration("hortus-replay", self._brokers.error),
            **reading_settings(),
            "enable.partition.eof": True,
            # Required by the library but never used at Kafka, as partitions are assigned manually.
            "group.id": f"hortus-replay-{uuid4()}",
        }

    def _find_places(self, consumer: Consumer) -> None:
        """Find each partition's first offset at the start time, and its current end."""
        try:
            metadata = consumer.list_topics(timeout=_REQUEST_SECONDS)
            wanted = [
                TopicPartition(topic, partition, self._since_ms)
                for topic in self._topics
                if topic in metadata.topics
                for partition in metadata.topics[topic].partitions
            ]
            starts = consumer.offsets_for_times(wanted, timeout=_REQUEST_SECONDS) if wanted else []
            for each in starts:
                # No record is that recent: the library then returns the end, as a negative number.
                low, end = consumer.get_watermark_offsets(each, timeout=_REQUEST_SECONDS)
                start = max(each.offset, low)
                if each.offset >= 0 and start < end:
                    place = (each.topic, each.partition)
                    self._lanes[place] = Lane(each.topic, each.partition, start)
                    self._ends[place] = end
        except KafkaException as error:
            reason = self._brokers.last_error or error.args[0].str()
            raise KafkaUnreachable(
                f"Kafka at {self._connection.bootstrap} cannot be used: {reason}. Is it running?"
            ) from error
        self._total = sum(end - (self._lanes[place].start or 0) for place, end in self._ends.items())
        consumer.assign([TopicPartition(*place, lane.start or 0) for place, lane in self._lanes.items()])

    def _take(self, record: Message) -> None:
        place = (record.topic() or "", record.partition() or 0)
        error = record.error()
        if error is not None:
            if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  (the library's public name)
                self._ended.add(place)
            else:
                log.error("Kafka reports: %s", error.str())
            return
        offset = record.offset()
        assert offset is not None
        if place in self._ended:
            return
        offer_record(self._pipeline, self._names, self._lanes[place], record)
        if offset >= self._ends[place] - 1:
            self._ended.add(place)

    def _done(self) -> int:
        return sum((lane.done_up_to or 0) - (lane.start or 0) for lane in self._lanes.values())

    async def _room(self) -> None:
        for intake in (self._pipeline, MediaIntake(self._pipeline)):
            relieved = asyncio.Event()
            intake.when_relieved(relieved.set)
            await relieved.wait()
