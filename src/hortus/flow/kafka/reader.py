"""The reader of one topic: passes records to the pipeline, and commits their offsets once stored (P1).

    consume -> offer to the pipeline -> (stored) -> settle -> commit the offset

When a member joins or leaves the group, partitions are rebalanced (cooperatively: partitions that do not move
keep being read). Before a partition is revoked, its open records are stored and committed, within a few seconds
at most; its next owner reads the rest again, which has no effect (P2).

While the database is unavailable, the partitions are paused and the consumer keeps polling, so that the group
keeps this member and does not move its partitions to others, which would have the same problem.

The log of a partition can go back: its topic is deleted and made again, or a copy that lacks records is elected
leader. Then everything in it is read again (decision 11).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message

from hortus.flow.ingest.pipeline import IngestPipeline, MediaIntake
from hortus.flow.kafka.assignment import Assignment
from hortus.flow.kafka.connection import BrokerWatch, KafkaConnection, reason_of
from hortus.flow.kafka.consuming import offer_record, reading_settings
from hortus.flow.kafka.identity import TopicIdentity
from hortus.flow.kafka.lane import Lane
from hortus.flow.kafka.metrics import SinkMetrics
from hortus.flow.kafka.threads import OneThread
from hortus.flow.kafka.topics import TopicNames
from hortus.flow.kafka.watch import Look

log = logging.getLogger(__name__)

_RESTART_SECONDS = 0.5
_MOST_BETWEEN_POLLS_MS = 30_000

_DISPUTE = (
    "The brokers do not agree on what the topic {} is: one of them answers for a topic of that name that was "
    "deleted. Look for a broker that has lost its controller."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderLimits:
    """Batch sizes and timeouts of reading a topic.

    consume_messages: records taken from the library at once.
    consume_seconds: how long to wait for that many; with little traffic, this adds to the delay of a reading.
    patience_seconds: how long the pipeline may be full before the partitions are paused. Pausing discards
        prefetched records, so it is not done when the pipeline is full only briefly.
    commit_seconds: how often offsets are committed. Uncommitted records are read twice after a crash.
    revoke_seconds: how long a revoked partition may be held to finish its open records.
    answer_seconds: how long a commit may take while a partition is given up or at the end, and each question of
        how the topics are.
    leave_seconds: how long leaving the group may take. Otherwise the group waits for session_seconds.
    session_seconds: after this long without a heartbeat the group reassigns a member's partitions.
    look_seconds: the pause between two looks at how the topics are.
    """

    consume_messages: int = 1000
    consume_seconds: float = 0.05
    patience_seconds: float = 1.0
    commit_seconds: float = 0.5
    revoke_seconds: float = 4.0
    answer_seconds: float = 2.0
    leave_seconds: float = 1.0
    session_seconds: float = 10.0
    look_seconds: float = 2.0


class TopicReader:
    """A member of the group, for one topic. `run` ends after `stop`, and may be repeated after a failure."""

    def __init__(
        self,
        connection: KafkaConnection,
        names: TopicNames,
        topic: str,
        pipeline: IngestPipeline,
        brokers: BrokerWatch,
        *,
        group: str,
        limits: ReaderLimits | None = None,
    ) -> None:
        self.topic = topic
        self.metrics = SinkMetrics()
        self.has_committed = True
        self._connection = connection
        self._names = names
        self._pipeline = pipeline
        self._brokers = brokers
        # Media have their own backpressure: readings are still read while the media store is unavailable.
        self._pressure = MediaIntake(pipeline) if topic == names.media else pipeline
        self._group = group
        self._limits = limits or ReaderLimits()
        self._assignment = Assignment(topic, self.metrics, self._limits.answer_seconds, self._drained)
        self._identity = TopicIdentity()
        self.dispute: str | None = None
        """A sentence if the brokers do not agree, at the last look, on what the topic is."""
        self._went_back: dict[int, tuple[int, int]] = {}
        self._went_back_at = 0.0
        self._paused = False
        self._held_back = False
        self._is_outdated = False
        self._stopping = asyncio.Event()
        self._commit_due = 0.0

    # What the sink looks at and calls

    @property
    def lanes(self) -> Sequence[Lane]:
        """The partitions that are read."""
        return self._assignment.lanes

    def was_held_back(self) -> bool:
        """Return whether, since the last call, the pipeline was full, so that records had to wait for it."""
        held_back, self._held_back = self._held_back, False
        return held_back

    def observe(self, look: Look, asked_at: float) -> None:
        """Take note of how the topic was when Kafka was asked. If it is another one, all of it is read."""
        self.dispute = None
        answered = look.topic_ids.get(self.topic)
        if answered is None:
            return
        self._identity.hear(answered)
        topic_id = self._identity.known or answered
        if self._identity.is_disputed:
            self.dispute = _DISPUTE.format(self.topic)
        if not self._is_outdated and self._assignment.is_of_another_topic(topic_id):
            log.error(
                "the Kafka topic %s was deleted and made again; reading it from its beginning, and nothing is "
                "stored twice",
                self.topic,
            )
            self.metrics.went_back += 1
            self._is_outdated = True
            self._went_back.clear()
        elif not self._identity.is_in_doubt and self._went_back_at < asked_at:
            self._tell_what_went_back()
        self._assignment.know_topic(topic_id)

    def _tell_what_went_back(self) -> None:
        if self._went_back:
            log.error(
                "the log of the Kafka topic %s went back (%s), as when a copy that lacks records becomes the "
                "leader; reading it again from there, and nothing is stored twice",
                self.topic,
                ", ".join(f"partition {n}: {old} -> {new}" for n, (old, new) in self._went_back.items()),
            )
        self._went_back.clear()

    def stop(self) -> None:
        """Stop reading and make `run` return."""
        self._stopping.set()

    # Running and stopping

    async def run(self) -> None:
        """Read until `stop` is called, then finish the open records and leave the group."""
        while not self._stopping.is_set():
            await self._read_log()
            if self._is_outdated:
                await self._pause_before_restart()

    async def _read_log(self) -> None:
        """Read until `stop` is called, or what the library knows of the topic is of no use any more.

        A consumer keeps epochs and offsets of a topic that was deleted, and takes those of the new one for old.
        """
        self._is_outdated = False
        thread = OneThread(f"kafka consumer of {self.topic}")
        consumer = Consumer(self._configuration())
        try:
            await thread.call(self._join, consumer)
            while not (self._stopping.is_set() or self._is_outdated):
                records = await thread.call(self._consume, consumer)
                self._offer(consumer, records)
                if self._pressure.saturated:
                    self._held_back = True
                    if not self._paused:
                        await self._wait_for_room()
        except KafkaException as error:
            self._note_error(error.args[0])
            self._is_outdated = True
        finally:
            await asyncio.shield(self._leave(consumer, thread))

    async def _pause_before_restart(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_RESTART_SECONDS):
                await self._stopping.wait()

    def _configuration(self) -> dict[str, Any]:
        return {
            **self._connection.configuration("hortus-sink", self._brokers.error),
            **reading_settings(large=self.topic in {self._names.media, self._names.dead_letter}),
            "group.id": self._group,
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": round(self._limits.session_seconds * 1000),
            "heartbeat.interval.ms": round(self._limits.session_seconds * 1000 / 4),
            # Also the time for which a hung coordinator is awaited when a member joins.
            "max.poll.interval.ms": _MOST_BETWEEN_POLLS_MS,
            "on_commit": self._assignment.committed,
        }

    def _offer(self, consumer: Consumer, records: list[Message]) -> None:
        for record in records:
            lane, error = self._assignment.lane_of(record), record.error()
            if error is not None:
                self._take_event(error, lane, record.offset())
                continue
            if lane is not None and (lane.awaits_proof or lane.went_back(record.offset() or 0)):
                lane = self._checked(lane, record)
            if lane is not None:
                offer_record(self._pipeline, self._names, lane, record, consumer)
                self.metrics.consumed += 1

    def _take_event(self, error: KafkaError, lane: Lane | None, offset: int | None) -> None:
        """Take note of an error or the end of a partition: what is before that and did not come never will."""
        if error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001  (its public name)
            self._note_error(error)
        elif lane is None or offset is None:
            return
        elif not lane.went_back(offset):
            lane.reached(offset)
        elif lane.awaits_proof:
            self._read_all(lane)
        else:
            self._begin_again(lane, offset).reached(offset)

    def _checked(self, lane: Lane, record: Message) -> Lane | None:
        """Return the lane that takes a record which is the first, or below what was read; None if none does."""
        offset = record.offset() or 0
        if lane.is_proof(offset):
            if not lane.holds(record.leader_epoch()):
                self._read_all(lane)
            return None
        return self._begin_again(lane, offset) if lane.went_back(offset) else lane

    def _begin_again(self, lane: Lane, offset: int) -> Lane:
        """Return a new lane for a partition whose log went back to this offset."""
        self._note_went_back(lane, offset)
        return self._assignment.begin_again(lane, offset)

    def _read_all(self, lane: Lane) -> None:
        """Read a partition from its beginning: its log is not the one that was read up to the start."""
        self._note_went_back(lane, 0)
        self._assignment.read_all(lane)

    def _note_went_back(self, lane: Lane, offset: int) -> None:
        """Note it for the next look at the topic that begins after this, which tells why."""
        if self._is_outdated:
            return  # of course: the topic was made again, as was told
        if not self._went_back:
            self._went_back_at = time.monotonic()
        old, _ = self._went_back.get(lane.partition, (lane.next_offset or 0, 0))
        self._went_back[lane.partition] = (old, offset)
        self.metrics.went_back += 1

    def _note_error(self, error: KafkaError) -> None:
        self.metrics.errors += 1
        reason = reason_of(error)
        if self.metrics.last_error != reason:
            log.error("Kafka reports: %s", reason)
        self.metrics.last_error = reason

    async def _wait_for_room(self) -> None:
        """Wait briefly for the database to catch up; after a long wait the group would expel this member."""
        relieved = asyncio.Event()
        self._pressure.when_relieved(relieved.set)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limits.patience_seconds):
                await relieved.wait()

    async def _leave(self, consumer: Consumer, thread: OneThread) -> None:
        """Finish the open records, commit them and leave the group, each within its time, and then regardless.

        Kafka may hang, and the calls to the library with it. They are left to their thread, which ends with the
        process.
        """
        if not self._is_outdated:
            await self._drained(self.lanes)
        try:
            async with asyncio.timeout(self._limits.answer_seconds + self._limits.leave_seconds):
                await thread.call(self._close, consumer)
        except TimeoutError:
            self.has_committed = self.has_committed and not self._assignment.has_uncommitted
            log.warning("left the group of %s without its confirmation: Kafka does not answer", self.topic)
        finally:
            thread.end()

    async def _drained(self, lanes: Sequence[Lane]) -> None:
        try:
            async with asyncio.timeout(self._limits.revoke_seconds):
                for lane in lanes:
                    await lane.idle.wait()
        except TimeoutError:
            log.warning("some records are not stored yet and will be read again, which has no effect")

    # In the consumer's thread. The library's callbacks also run there, within these calls.

    def _join(self, consumer: Consumer) -> None:
        assignment = self._assignment
        consumer.subscribe(
            [self.topic], on_assign=assignment.assigned, on_revoke=assignment.revoked, on_lost=assignment.lost
        )

    def _consume(self, consumer: Consumer) -> list[Message]:
        self._assignment.turn_back(consumer)
        self._regulate(consumer)
        self._commit_if_due(consumer)
        self._assignment.taken_away.clear()
        records = consumer.consume(self._limits.consume_messages, self._limits.consume_seconds)
        if any(record.error() is None for record in records):
            self._brokers.answered()
        return self._assignment.without_taken_away(consumer, records)

    def _regulate(self, consumer: Consumer) -> None:
        """Pause all partitions, even newly assigned ones, while the pipeline is full; otherwise resume them."""
        is_full = self._pressure.saturated
        if not self._assignment.pause(consumer, is_full):
            return
        if is_full and not self._paused:
            log.warning("records are not stored fast enough; pausing %s", self.topic)
        elif not is_full and self._paused:
            log.warning("resuming %s", self.topic)
        self._paused = self.metrics.paused = is_full

    def _commit_if_due(self, consumer: Consumer) -> None:
        now = time.monotonic()
        if now < self._commit_due:
            return
        self._commit_due = now + self._limits.commit_seconds
        self._assignment.commit(consumer)

    def _close(self, consumer: Consumer) -> None:
        if self._is_outdated:
            self._assignment.drop()  # offsets of a topic that is no more
        elif not self._assignment.commit_now(consumer):
            self.has_committed = False
        self._assignment.drop()
        consumer.close()
