"""Reads past records of the topics again, to rebuild the readings in the database.

Reads every partition from a given time up to its end at the start of the replay, through the normal ingest
pipeline and outside the consumer group: running sinks are not disturbed, and no offset is committed. Readings
already in the database are detected as duplicates (P2), so a replay may start too early, and may be aborted and
restarted.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any
from uuid import uuid4

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from hortus.base.errors import OperationalError
from hortus.flow.ingest.pipeline import IngestPipeline, MediaIntake
from hortus.flow.kafka.connection import BrokerWatch, KafkaConnection, KafkaUnreachable, reason_of
from hortus.flow.kafka.consuming import offer_record, reading_settings
from hortus.flow.kafka.lane import Lane
from hortus.flow.kafka.position import Place, Position
from hortus.flow.kafka.replay_watch import ReplayWatch
from hortus.flow.kafka.threads import OneThread
from hortus.flow.kafka.topics import TopicNames

log = logging.getLogger(__name__)

_REQUEST_SECONDS = 30.0
_CONSUME_MESSAGES = 1000
_CONSUME_SECONDS = 0.1
_SETTLE_LOOK_SECONDS = 0.05
_CLOSE_SECONDS = 3.0

Progress = Callable[[int, int], None]
"""Called with the number of records done and the total."""


class TopicChanged(OperationalError):
    """A topic was deleted, perhaps made again, or lost records, while it was replayed."""

    def __init__(self, topic: str) -> None:
        super().__init__(
            f"The Kafka topic {topic} lost records, or was deleted or made again, while it was replayed. What "
            "was stored stays; run the replay again."
        )


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
        # Negative times have a meaning of their own in the protocol of Kafka, which has no records before 1970.
        self._since_ms = max(0, round(since.timestamp() * 1000))
        self._brokers = BrokerWatch()
        self._watch = ReplayWatch(connection, topics, self._brokers)
        self._lanes: dict[Place, Lane] = {}
        self._ends: dict[Place, int] = {}
        self._ended: set[Place] = set()
        self._told: str | None = None
        self._total = 0

    async def run(self, progress: Progress) -> int:
        """Read and store all records; return their number. Raises KafkaUnreachable or TopicChanged."""
        thread = OneThread("kafka replay")
        consumer = Consumer(self._configuration())
        try:
            await thread.call(self._watch.begin)
            await thread.call(self._find_places, consumer)
            while len(self._ended) < len(self._ends):
                if self._watch.is_due:
                    _raise_for(await thread.call(self._watch.changed))
                records = await thread.call(consumer.consume, _CONSUME_MESSAGES, _CONSUME_SECONDS)
                for record in records:
                    self._take(record, consumer)
                progress(self._done(), self._total)
                await self._room()
            _raise_for(await thread.call(partial(self._watch.changed, in_doubt=True)))
            while not all(lane.idle.is_set() for lane in self._lanes.values()):
                progress(self._done(), self._total)
                await asyncio.sleep(_SETTLE_LOOK_SECONDS)
            progress(self._total, self._total)
        finally:
            with contextlib.suppress(TimeoutError):  # it commits nothing, so nothing depends on it
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await thread.call(consumer.close)
            thread.end()
        return self._total

    def _configuration(self) -> dict[str, Any]:
        return {
            **self._connection.configuration("hortus-replay", self._brokers.error),
            **reading_settings(large=True),
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
                if each.error is not None:
                    raise KafkaException(each.error)
                # No record is that recent: the library then returns the end, as a negative number.
                low, end = consumer.get_watermark_offsets(each, timeout=_REQUEST_SECONDS)
                start = max(each.offset, low)
                if each.offset >= 0 and start < end:
                    place = (each.topic, each.partition)
                    self._lanes[place] = Lane(place, Position(start))
                    self._ends[place] = end
        except KafkaException as error:
            consumer.poll(0)  # serves the callbacks, which know the reason
            reason = self._brokers.last_reason or reason_of(error.args[0])
            raise KafkaUnreachable(
                f"Kafka at {self._connection.bootstrap} cannot be used: {reason}. Is it running?"
            ) from error
        starts_at = {place: lane.next_offset or 0 for place, lane in self._lanes.items()}
        self._total = sum(end - starts_at[place] for place, end in self._ends.items())
        consumer.assign([TopicPartition(*place, start) for place, start in starts_at.items()])

    def _take(self, record: Message, consumer: Consumer) -> None:
        place = (record.topic() or "", record.partition() or 0)
        error, offset = record.error(), record.offset()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001  (its public name)
            self._note_error(error)
            return
        if place in self._ended or offset is None:
            return
        lane = self._lanes[place]
        if lane.went_back(offset):
            raise TopicChanged(lane.topic)
        if error is None:
            offer_record(self._pipeline, self._names, lane, record, consumer)
        else:
            lane.reached(offset)
        if error is not None or offset >= self._ends[place] - 1:
            self._ended.add(place)

    def _note_error(self, error: KafkaError) -> None:
        reason = reason_of(error)
        if reason != self._told:
            log.error("Kafka reports: %s", reason)
        self._told = reason

    def _done(self) -> int:
        return sum(
            min(lane.done_up_to or 0, self._ends[place]) - lane.start.offset
            for place, lane in self._lanes.items()
            if lane.start is not None
        )

    async def _room(self) -> None:
        for intake in (self._pipeline, MediaIntake(self._pipeline)):
            relieved = asyncio.Event()
            intake.when_relieved(relieved.set)
            await relieved.wait()


def _raise_for(changed_topic: str | None) -> None:
    if changed_topic is not None:
        raise TopicChanged(changed_topic)
