"""Stores the records of all topics that one process reads, through the normal ingest pipeline.

Each topic has its own reader, which is a separate member of the consumer group. One member for all topics would
be simpler, but the group distributes partitions by their number alone: a second sink could be given all
partitions of the quiet topics and none of the busy one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Sequence

from hortus.flow.ingest.pipeline import IngestPipeline
from hortus.flow.kafka.connection import BrokerWatch, KafkaConnection
from hortus.flow.kafka.metrics import SinkMetrics
from hortus.flow.kafka.position import Place
from hortus.flow.kafka.progress import ProgressWatch, Standing, standing
from hortus.flow.kafka.reader import ReaderLimits, TopicReader
from hortus.flow.kafka.threads import OneThread
from hortus.flow.kafka.topics import TopicNames
from hortus.flow.kafka.watch import KafkaWatch, Look

log = logging.getLogger(__name__)

_TELL_AGAIN_SECONDS = 600.0


class KafkaSink:
    """The readers of one process. `run` ends after `stop`; after a failure, it may be called again."""

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
        self._limits = limits or ReaderLimits()
        self.brokers = BrokerWatch()
        self.readers = [
            TopicReader(connection, names, topic, pipeline, self.brokers, group=group, limits=self._limits)
            for topic in topics
        ]
        self._connection, self._group = connection, group
        self._progress = ProgressWatch()
        self._may_read = asyncio.Event()
        self._fault: str | None = None
        self._standings: dict[Place, Standing] = {}
        self._standstill_since: float | None = None
        self._tell_again_at = -math.inf

    async def run(self) -> None:
        """Read until `stop` is called, then finish the open records and leave the group."""
        thread = OneThread("kafka watch")
        watch = KafkaWatch(
            self._connection,
            [reader.topic for reader in self.readers],
            self._group,
            self.brokers,
            answer_seconds=self._limits.answer_seconds,
        )
        try:
            async with asyncio.TaskGroup() as group:
                looking = group.create_task(self._keep_looking(watch, thread))
                await self._may_read.wait()
                reading = [group.create_task(reader.run()) for reader in self.readers]
                await asyncio.wait(reading)
                looking.cancel()
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._limits.leave_seconds):
                    await thread.call(watch.close)
            thread.end()

    def stop(self) -> None:
        """Stop reading and make `run` return."""
        for reader in self.readers:
            reader.stop()
        self._may_read.set()

    @property
    def has_committed(self) -> bool:
        """Whether Kafka confirmed the last offsets of all readers. Otherwise records will be read again."""
        return all(reader.has_committed for reader in self.readers)

    @property
    def metrics(self) -> SinkMetrics:
        """The combined counters of all readers, and what the last look at Kafka has shown."""
        total = SinkMetrics.total(reader.metrics for reader in self.readers)
        lanes = {lane.place: lane for reader in self.readers for lane in reader.lanes}
        total.partitions = len(lanes)
        total.lag = {
            place: each.waiting_now(lanes[place].done_up_to if place in lanes else each.done_up_to)
            for place, each in self._standings.items()
            # Those of other sinks are theirs to tell, unless they stand still.
            if place in lanes or self._progress.stands_still(place)
        }
        total.fault = self._fault
        total.standstill_since = self._standstill_since
        return total

    async def _keep_looking(self, watch: KafkaWatch, thread: OneThread) -> None:
        while True:
            asked_at = time.monotonic()
            done = {lane.place: lane.done_up_to for reader in self.readers for lane in reader.lanes}
            look = await thread.call(watch.look, set(done))
            for reader in self.readers:
                reader.observe(look, asked_at)
            self._note(look, done, asked_at)
            # Only now: the first look tells the readers which topics they are about to read.
            self._may_read.set()
            await asyncio.sleep(self._limits.look_seconds)

    def _note(self, look: Look, done: dict[Place, int | None], asked_at: float) -> None:
        """Update what is known of each partition; where there is no answer, the last one stays."""
        own = {lane.place for reader in self.readers for lane in reader.lanes}
        standings = {
            place: each for place, each in self._standings.items() if place in own | look.others.keys()
        }
        for place, done_up_to in (dict(look.others) | done).items():
            if place in look.ends:
                standings[place] = standing(
                    start=look.starts.get(place, 0), end=look.ends[place], done_up_to=done_up_to
                )
        # A broker that lags answers for partitions that are no more: the dispute is the reason of such a fault.
        fault = next((reader.dispute for reader in self.readers if reader.dispute), look.fault)
        self._tell(fault)
        self._fault, self._standings = fault, standings
        self._standstill_since = self._progress.note(
            standings,
            own=own,
            held_back={reader.topic for reader in self.readers if reader.was_held_back()},
            asked_at=None if fault else asked_at,
        )

    def _tell(self, fault: str | None) -> None:
        """Log a fault that lasts for two looks; once, and not often if it comes and goes."""
        now = time.monotonic()
        if fault and self._fault and now >= self._tell_again_at:
            log.error("the lag is not known: %s", fault)
            self._tell_again_at = now + _TELL_AGAIN_SECONDS
