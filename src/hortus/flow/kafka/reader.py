"""The reader of one topic: passes records to the pipeline, and commits their offsets once stored (P1).

    consume -> offer to the pipeline -> (stored) -> settle -> commit the offset

When a member joins or leaves the group, partitions are rebalanced (cooperatively: partitions that do not move
keep being read). Before a partition is revoked, its open records are stored and committed, within a few seconds
at most; its next owner reads the rest again, which has no effect (P2).

While the database is unavailable, the partitions are paused and the consumer keeps polling, so that the group
keeps this member and does not move its partitions to others, which would have the same problem.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import OFFSET_STORED, Consumer, KafkaError, KafkaException, Message, TopicPartition

from hortus.flow.ingest.pipeline import IngestPipeline, MediaIntake
from hortus.flow.kafka.connection import BrokerWatch, KafkaConnection
from hortus.flow.kafka.consuming import OneThread, offer_record, reading_settings
from hortus.flow.kafka.lane import Lane
from hortus.flow.kafka.metrics import SinkMetrics
from hortus.flow.kafka.topics import TopicNames

log = logging.getLogger(__name__)

_REQUEST_SECONDS = 10.0
_PROBE_SECONDS = 0.5

Place = tuple[str, int]
"""A topic and a partition number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderLimits:
    """Batch sizes and timeouts of reading a topic.

    consume_messages: records taken from the library at once.
    consume_seconds: how long to wait for that many; with little traffic, this adds to the delay of a reading.
    patience_seconds: how long the pipeline may be full before the partitions are paused. Pausing discards
        prefetched records, so it is not done when the pipeline is full only briefly.
    commit_seconds: how often offsets are committed. Uncommitted records are read twice after a crash.
    revoke_seconds: how long a revoked partition may be held to finish its open records.
    session_seconds: after this long without a heartbeat the group reassigns a member's partitions.
    """

    consume_messages: int = 1000
    consume_seconds: float = 0.05
    patience_seconds: float = 1.0
    commit_seconds: float = 0.5
    revoke_seconds: float = 5.0
    session_seconds: float = 10.0


class TopicReader:
    """A member of the consumer group that reads one topic. Call `run` once; it ends after `stop`."""

    def __init__(
        self,
        connection: KafkaConnection,
        names: TopicNames,
        topic: str,
        pipeline: IngestPipeline,
        *,
        group: str,
        limits: ReaderLimits | None = None,
    ) -> None:
        self.metrics = SinkMetrics()
        self.brokers = BrokerWatch()
        self._connection = connection
        self._names = names
        self._topic = topic
        self._pipeline = pipeline
        # Media have their own backpressure: readings are still read while the media store is unavailable.
        self._pressure = MediaIntake(pipeline) if topic == names.media else pipeline
        self._group = group
        self._limits = limits or ReaderLimits()
        self._lanes: dict[Place, Lane] = {}
        self._taken_away: set[Place] = set()
        self._paused_places: set[Place] = set()
        self._missed_before = 0
        self._done_before = 0
        self._stopping = asyncio.Event()
        self._commit_due = 0.0
        self._loop = asyncio.get_running_loop()
        self._thread = OneThread()

    # Running and stopping

    async def run(self) -> None:
        """Read until `stop` is called, then finish the open records and leave the group."""
        consumer = Consumer(self._configuration())
        try:
            await self._thread.call(self._join, consumer)
            while not self._stopping.is_set():
                records = await self._thread.call(self._consume, consumer)
                self._offer(records)
                if self._pressure.saturated and not self._paused_places:
                    await self._wait_for_room()
        finally:
            await asyncio.shield(self._leave(consumer))

    def stop(self) -> None:
        """Stop reading and make `run` return."""
        self._stopping.set()

    def _configuration(self) -> dict[str, Any]:
        return {
            **self._connection.configuration("hortus-sink", self.brokers.error),
            **reading_settings(),
            "group.id": self._group,
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": round(self._limits.session_seconds * 1000),
            "heartbeat.interval.ms": round(self._limits.session_seconds * 1000 / 4),
            "on_commit": self._committed,
        }

    def _offer(self, records: list[Message]) -> None:
        for record in records:
            error = record.error()
            if error is not None:
                self._note_error(error)
                continue
            lane = self._lanes.get((record.topic() or "", record.partition() or 0))
            if lane is not None:
                offer_record(self._pipeline, self._names, lane, record)
                self.metrics.consumed += 1

    def _note_error(self, error: KafkaError) -> None:
        self.metrics.errors += 1
        if self.metrics.last_error != error.str():
            log.error("Kafka reports: %s", error.str())
        self.metrics.last_error = error.str()

    async def _wait_for_room(self) -> None:
        """Wait briefly for the database to catch up; after a long wait the group would expel this member."""
        relieved = asyncio.Event()
        self._pressure.when_relieved(relieved.set)
        try:
            async with asyncio.timeout(self._limits.patience_seconds):
                await relieved.wait()
        except TimeoutError:
            pass

    async def _leave(self, consumer: Consumer) -> None:
        """Finish the open records, within the time limit for revoked partitions, and leave the group."""
        self._stopping.set()
        await self._drained(list(self._lanes.values()))
        try:
            await self._thread.call(self._close, consumer)
        finally:
            self._thread.end()

    async def _drained(self, lanes: Sequence[Lane]) -> None:
        try:
            async with asyncio.timeout(self._limits.revoke_seconds):
                for lane in lanes:
                    await lane.idle.wait()
        except TimeoutError:
            log.warning("some records are not stored yet and will be read again, which has no effect")

    # In the consumer's thread. The library's callbacks also run there, within these calls.

    def _join(self, consumer: Consumer) -> None:
        consumer.subscribe([self._topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)

    def _consume(self, consumer: Consumer) -> list[Message]:
        self._regulate(consumer)
        self._commit_if_due(consumer)
        self._taken_away.clear()
        records = consumer.consume(self._limits.consume_messages, self._limits.consume_seconds)
        if records:
            self.brokers.answered()
        elif self.brokers.down:
            self._look_for_brokers(consumer)
        self.metrics.reachable = not self.brokers.down
        return self._without_taken_away(consumer, records) if self._taken_away else records

    def _regulate(self, consumer: Consumer) -> None:
        """Pause all partitions, even newly assigned ones, while the pipeline is full; otherwise resume them."""
        places = set(self._lanes) if self._pressure.saturated else set()
        if places == self._paused_places:
            return
        if not self._paused_places:
            log.warning("records are not stored fast enough; pausing %s", self._topic)
        if places:
            consumer.pause([TopicPartition(*place) for place in places])
        else:
            consumer.resume([TopicPartition(*place) for place in self._lanes])
            log.warning("resuming %s", self._topic)
        self._paused_places = places

    def _without_taken_away(self, consumer: Consumer, records: list[Message]) -> list[Message]:
        """Drop records of partitions that were revoked while these records were being collected.

        If one was reassigned within the same call, its records may be from before or after, and the two cannot
        be told apart: reading restarts at the offset where it began after the reassignment.
        """
        for place in self._taken_away & self._lanes.keys():
            lane = self._lanes[place]
            start = OFFSET_STORED if lane.start is None else lane.start
            consumer.incremental_unassign([TopicPartition(*place)])
            consumer.incremental_assign([TopicPartition(*place, start)])
            self._lanes[place] = Lane(lane.topic, lane.partition, lane.start)
        return [each for each in records if (each.topic(), each.partition()) not in self._taken_away]

    def _look_for_brokers(self, consumer: Consumer) -> None:
        """Probe whether any broker is back: the library reports when all are down, but not when one is back."""
        try:
            consumer.list_topics(self._topic, timeout=_PROBE_SECONDS)
        except KafkaException:
            return
        self.brokers.answered()

    def _commit_if_due(self, consumer: Consumer) -> None:
        now = time.monotonic()
        if now < self._commit_due:
            return
        self._commit_due = now + self._limits.commit_seconds
        offsets = []
        for place, lane in self._lanes.items():
            done_up_to = lane.done_up_to  # read once: the event loop advances it concurrently
            if done_up_to is not None and done_up_to != lane.asked_to_commit:
                lane.asked_to_commit = done_up_to
                offsets.append(TopicPartition(*place, done_up_to))
        if offsets:
            consumer.commit(offsets=offsets, asynchronous=True)
        self._measure(consumer)

    def _committed(self, error: KafkaError | None, offsets: list[TopicPartition]) -> None:
        """Handle the result of an asynchronous commit."""
        for offset in offsets:
            lane = self._lanes.get((offset.topic, offset.partition))
            if lane is None:
                continue
            if error is None and offset.error is None:
                lane.committed = offset.offset
            else:
                lane.asked_to_commit = lane.committed  # so that the commit is retried
        if error is None:
            self.metrics.commits += 1
            self.metrics.last_commit_at = time.time()
        else:
            self.metrics.failed_commits += 1

    def _measure(self, consumer: Consumer) -> None:
        """Update the metrics; the lag comes from the watermarks that the library cached at its last fetches."""
        lag = {}
        for place, lane in self._lanes.items():
            watermarks = consumer.get_watermark_offsets(TopicPartition(*place), cached=True)
            if watermarks is not None and watermarks[1] >= 0:
                done_up_to = watermarks[0] if lane.done_up_to is None else lane.done_up_to
                lag[place] = max(0, watermarks[1] - done_up_to)
        missed = self._missed_before + sum(lane.missed for lane in self._lanes.values())
        if missed > self.metrics.missed:
            log.error(
                "%d records were deleted by Kafka before they were stored; increase the topics' retention",
                missed - self.metrics.missed,
            )
        self._note_standstill(sum(lag.values()))
        self.metrics.missed = missed
        self.metrics.lag = lag
        self.metrics.paused = bool(self._paused_places)
        self.metrics.partitions = len(self._lanes)

    def _note_standstill(self, waiting: int) -> None:
        done = sum(lane.done_up_to or 0 for lane in self._lanes.values())
        if waiting == 0 and not self.brokers.down:
            self.metrics.standstill_since = None
        elif self.metrics.standstill_since is None or done != self._done_before:
            self.metrics.standstill_since = time.monotonic()
        self._done_before = done

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self.metrics.rebalances += 1
        starts = _committed_offsets(consumer, partitions)
        for each in partitions:
            place = (each.topic, each.partition)
            self._lanes[place] = Lane(each.topic, each.partition, starts.get(place))
        log.info("reading %s", _names_of(partitions))

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Finish and commit the open records of revoked partitions before they are given up."""
        self.metrics.rebalances += 1
        places = [(each.topic, each.partition) for each in partitions]
        lanes = [self._lanes[place] for place in places if place in self._lanes]
        self._taken_away.update(places)
        asyncio.run_coroutine_threadsafe(self._drained(lanes), self._loop).result()
        self._commit_now(consumer, lanes)
        self._forget(consumer, places)
        log.info("no longer reading %s", _names_of(partitions))

    def _lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Drop partitions that other members may already be reading: committing for them would be wrong."""
        self.metrics.rebalances += 1
        places = [(each.topic, each.partition) for each in partitions]
        self._taken_away.update(places)
        self._forget(consumer, places)
        log.warning("lost %s to other members of the group", _names_of(partitions))

    def _forget(self, consumer: Consumer, places: Sequence[Place]) -> None:
        paused = self._paused_places.intersection(places)
        if paused:
            # Otherwise the library would keep them paused when they are assigned again.
            with contextlib.suppress(KafkaException):
                consumer.resume([TopicPartition(*place) for place in paused])
            self._paused_places -= paused
        for place in places:
            lane = self._lanes.pop(place, None)
            if lane is not None:
                self._missed_before += lane.missed

    def _commit_now(self, consumer: Consumer, lanes: Sequence[Lane]) -> None:
        offsets = [
            TopicPartition(lane.topic, lane.partition, lane.done_up_to)
            for lane in lanes
            if lane.done_up_to is not None and lane.done_up_to != lane.committed
        ]
        if not offsets:
            return
        try:
            consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            log.warning("offsets were not committed (%s); records will be read again", error.args[0].str())
            self.metrics.failed_commits += 1

    def _close(self, consumer: Consumer) -> None:
        self._commit_now(consumer, list(self._lanes.values()))
        consumer.close()


def _committed_offsets(consumer: Consumer, partitions: list[TopicPartition]) -> dict[Place, int]:
    """Return the committed offsets of these partitions, as far as they are known."""
    try:
        found = consumer.committed(partitions, timeout=_REQUEST_SECONDS)
    except KafkaException:
        return {}
    return {(each.topic, each.partition): each.offset for each in found if each.offset >= 0}


def _names_of(partitions: list[TopicPartition]) -> str:
    return ", ".join(sorted(f"{each.topic}/{each.partition}" for each in partitions)) or "nothing"
