"""The partitions that a reader has: where each is begun, how they come and go, and what is committed of them.

The library calls back from within calls to its consumer, so all of this but the properties runs in that thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_STORED,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from hortus.flow.kafka.connection import reason_of
from hortus.flow.kafka.lane import Lane
from hortus.flow.kafka.metrics import SinkMetrics
from hortus.flow.kafka.position import Place, Position, committed_position, to_commit
from hortus.flow.kafka.threads import within

log = logging.getLogger(__name__)

Drain = Callable[[Sequence[Lane]], Coroutine[Any, Any, None]]
"""Waits for the open records of these lanes, within bounds; runs in the event loop."""


class Assignment:
    """The lanes of one reader. Counts what happens to them in the reader's metrics."""

    def __init__(self, topic: str, metrics: SinkMetrics, answer_seconds: float, drain: Drain) -> None:
        self.taken_away: set[Place] = set()
        """The partitions that were taken away during the present call to the consumer."""
        self._topic = topic
        self._topic_id: str | None = None
        self._was_made_again = False
        self._metrics = metrics
        self._answer_seconds = answer_seconds
        self._drain = drain
        self._lanes: dict[Place, Lane] = {}
        self._paused_places: set[Place] = set()
        self._to_read_all: set[Place] = set()
        self._told_missed = 0
        self._missed_before = 0
        self._loop = asyncio.get_running_loop()

    # The topic

    @property
    def lanes(self) -> Sequence[Lane]:
        """The lanes of the partitions that we have."""
        return tuple(self._lanes.values())

    def lane_of(self, record: Message) -> Lane | None:
        """Return the lane of a record, or of an event of the library, that concerns a partition of ours."""
        return self._lanes.get((record.topic() or "", record.partition() or 0))

    def is_of_another_topic(self, topic_id: str) -> bool:
        """Return whether something that we read is of a topic that had another id, and was deleted."""
        known = {self._topic_id, *(lane.topic_id for lane in self.lanes)} - {None}
        return bool(known - {topic_id})

    def know_topic(self, topic_id: str) -> None:
        """Take note of the id that the topic has now."""
        self._was_made_again = self._was_made_again or self._topic_id not in {None, topic_id}
        self._topic_id = topic_id
        for lane in self.lanes:
            lane.topic_id = lane.topic_id or topic_id

    def read_all(self, lane: Lane) -> None:
        """Begin with the first record of a partition, at the next call to the consumer."""
        del self._lanes[lane.place]
        self._missed_before += lane.missed
        self._to_read_all.add(lane.place)

    def begin_again(self, lane: Lane, offset: int) -> Lane:
        """Replace a lane whose log went back to this offset, and return the new one."""
        again = self._lanes[lane.place] = lane.again_from(offset)
        return again

    # Partitions come and go: callbacks of the library

    def assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Begin the partitions where the group left off, if that is a place in the topic as it is now."""
        self._metrics.rebalances += 1
        committed = self._committed(consumer, partitions)
        places = [(each.topic, each.partition) for each in partitions]
        lanes = {place: self._lane(place, committed.get(place)) for place in places}
        self._lanes |= lanes
        consumer.incremental_assign([_beginning(lane) for lane in lanes.values()])
        log.info("reading %s", _names_of(partitions))

    def _lane(self, place: Place, committed: Position | None) -> Lane:
        if committed is None:
            return Lane(place, topic_id=self._topic_id)
        is_of_unknown_topic = self._was_made_again and committed.topic_id is None
        if is_of_unknown_topic or (self._topic_id and committed.topic_id not in {None, self._topic_id}):
            log.warning(
                "the offset committed for %s/%d is of a topic that was deleted; reading all of it", *place
            )
            return Lane(place, topic_id=self._topic_id, reads_all=True)
        return Lane(place, committed, topic_id=committed.topic_id or self._topic_id)

    def _committed(self, consumer: Consumer, partitions: list[TopicPartition]) -> dict[Place, Position]:
        """Return the committed positions of these partitions, as far as they are known."""
        try:
            found = consumer.committed(partitions, timeout=self._answer_seconds)
        except KafkaException:
            return {}
        positions = {(each.topic, each.partition): committed_position(each) for each in found}
        return {place: position for place, position in positions.items() if position is not None}

    def revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Finish and commit the open records of revoked partitions before they are given up."""
        self._metrics.rebalances += 1
        places = [(each.topic, each.partition) for each in partitions]
        lanes = [self._lanes[place] for place in places if place in self._lanes]
        self.taken_away.update(places)
        if lanes:
            asyncio.run_coroutine_threadsafe(self._drain(lanes), self._loop).result()
            self._commit_within(consumer, lanes)
        self._forget(consumer, places)
        log.info("no longer reading %s", _names_of(partitions))

    def lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Drop partitions that other members may already be reading: committing for them would be wrong."""
        self._metrics.rebalances += 1
        places = [(each.topic, each.partition) for each in partitions]
        self.taken_away.update(places)
        self._forget(consumer, places)
        log.warning("lost %s to other members of the group", _names_of(partitions))

    def _forget(self, consumer: Consumer, places: Sequence[Place]) -> None:
        paused = self._paused_places.intersection(places)
        if paused:
            # Otherwise the library would keep them paused when they are assigned again.
            with contextlib.suppress(KafkaException):
                consumer.resume([TopicPartition(*place) for place in paused])
            self._paused_places -= paused
        self._to_read_all.difference_update(places)
        for place in places:
            lane = self._lanes.pop(place, None)
            if lane is not None:
                self._missed_before += lane.missed

    def drop(self) -> None:
        """Drop all partitions, without a commit."""
        self._missed_before += sum(lane.missed for lane in self.lanes)
        self._lanes.clear()
        self._to_read_all.clear()
        self._paused_places.clear()

    def without_taken_away(self, consumer: Consumer, records: list[Message]) -> list[Message]:
        """Drop records of partitions that were revoked while these records were being collected.

        If one was reassigned within the same call, its records may be from before or after, and the two cannot
        be told apart: reading restarts at the offset where it began after the reassignment.
        """
        for place in self.taken_away & self._lanes.keys():
            lane = self._lanes[place] = self._lanes[place].from_its_start()
            consumer.incremental_unassign([TopicPartition(*place)])
            consumer.incremental_assign([_beginning(lane)])
        return [each for each in records if (each.topic(), each.partition()) not in self.taken_away]

    def turn_back(self, consumer: Consumer) -> None:
        """Turn the library to the beginning of the partitions that are to be read as a whole."""
        for place in self._to_read_all:
            lane = self._lanes[place] = Lane(place, topic_id=self._topic_id, reads_all=True)
            consumer.incremental_unassign([TopicPartition(*place)])
            consumer.incremental_assign([_beginning(lane)])
        self._to_read_all.clear()

    def pause(self, consumer: Consumer, is_full: bool) -> bool:
        """Pause all partitions or resume them. Return whether anything had to be changed."""
        places = set(self._lanes) if is_full else set()
        if places == self._paused_places:
            return False
        if places:
            consumer.pause([TopicPartition(*place) for place in places])
        else:
            consumer.resume([TopicPartition(*place) for place in self._lanes])
        self._paused_places = places
        return True

    # Commits

    @property
    def has_uncommitted(self) -> bool:
        """Whether something was stored that Kafka has not confirmed the offset of."""
        return any(lane.position not in {None, lane.committed} for lane in self.lanes)

    def commit(self, consumer: Consumer) -> None:
        """Ask Kafka to commit what has been done since the last time."""
        offsets = []
        for lane in self.lanes:
            position = lane.position
            if position is not None and position != lane.asked_to_commit:
                lane.asked_to_commit = position
                offsets.append(to_commit(lane.place, position))
        if offsets:
            consumer.commit(offsets=offsets, asynchronous=True)
        self._count_missed()

    def committed(self, error: KafkaError | None, offsets: list[TopicPartition]) -> None:
        """Handle the result of an asynchronous commit."""
        for offset in offsets:
            lane = self._lanes.get((offset.topic, offset.partition))
            if lane is None:
                continue
            if error is None and offset.error is None:
                lane.committed = committed_position(offset)
            else:
                lane.asked_to_commit = lane.committed  # so that the commit is retried
        self._count_commit(error is None)

    def commit_now(self, consumer: Consumer) -> bool:
        """Commit what is done of all partitions. Return whether Kafka confirmed it in time."""
        return self._commit_within(consumer, self.lanes)

    def _commit_within(self, consumer: Consumer, lanes: Iterable[Lane]) -> bool:
        """Commit, and wait for as long as Kafka may take to answer: the library would wait for ever."""
        offsets = [
            to_commit(lane.place, position)
            for lane in lanes
            if (position := lane.position) is not None and position != lane.committed
        ]
        if not offsets:
            return True
        try:
            confirmed = within(
                self._answer_seconds, lambda: consumer.commit(offsets=offsets, asynchronous=False)
            )
        except KafkaException as error:
            reason = reason_of(error.args[0])
        except TimeoutError:
            reason = "Kafka does not answer"
        else:
            errors = [each.error for each in confirmed or () if each.error is not None]
            if not errors:
                self._count_commit(True)
                return True
            reason = reason_of(errors[0])
        log.warning("offsets were not committed (%s); records will be read again, which has no effect", reason)
        self._count_commit(False)
        return False

    def _count_commit(self, is_confirmed: bool) -> None:
        if is_confirmed:
            self._metrics.commits += 1
            self._metrics.last_commit_at = time.time()
        else:
            self._metrics.failed_commits += 1

    def _count_missed(self) -> None:
        self._metrics.missed = self._missed_before + sum(lane.missed for lane in self.lanes)
        if self._metrics.missed > self._told_missed:
            log.error(
                "%d records were deleted by Kafka before they were stored; increase the topics' retention",
                self._metrics.missed - self._told_missed,
            )
        self._told_missed = self._metrics.missed


def _beginning(lane: Lane) -> TopicPartition:
    """Return where the library begins to read. It looks up what is committed if that is unknown to us."""
    if lane.first_to_read is not None:
        return TopicPartition(*lane.place, lane.first_to_read)
    return TopicPartition(*lane.place, OFFSET_BEGINNING if lane.reads_all else OFFSET_STORED)


def _names_of(partitions: list[TopicPartition]) -> str:
    return ", ".join(sorted(f"{each.topic}/{each.partition}" for each in partitions)) or "nothing"
