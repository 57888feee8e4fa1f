"""Asks Kafka how the topics of a sink are: whether they are still the same, their ends, and who reads them.

What a consumer was told with its last fetch says nothing while it does not fetch: not of a broker that hangs,
and not of partitions that are paused, new, or read by nobody. So each look makes requests of its own, all of
them bounded.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from confluent_kafka import (
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from hortus.flow.kafka.connection import BrokerWatch, KafkaConnection, reason_of
from hortus.flow.kafka.position import Place

T = TypeVar("T")

_MARGIN_SECONDS = 1.0
_EARLIEST: OffsetSpec = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
_LATEST: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]
UNKNOWN_TOPIC = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.UNKNOWN_TOPIC_ID})


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What Kafka answered. `fault` is a sentence if it did not answer everything, or lacks a topic.

    topic_ids: of the topics that exist.
    starts, ends: of the partitions whose leader answered: the first offset kept, and that after the last record
        that may be read.
    others: the partitions that are not ours, with the offset that the group committed for each, or None.
    """

    fault: str | None = None
    topic_ids: Mapping[str, str] = field(default_factory=dict)
    starts: Mapping[Place, int] = field(default_factory=dict)
    ends: Mapping[Place, int] = field(default_factory=dict)
    others: Mapping[Place, int | None] = field(default_factory=dict)


class KafkaWatch:
    """Looks at the topics and the group of a sink. Used from one thread."""

    def __init__(
        self,
        connection: KafkaConnection,
        topics: Sequence[str],
        group: str,
        brokers: BrokerWatch,
        *,
        answer_seconds: float,
    ) -> None:
        self._topics = list(topics)
        self._brokers = brokers
        self._answer_seconds = answer_seconds
        configuration = connection.configuration("hortus-sink-watch", brokers.error)
        self._client = AdminClient(configuration)
        # The administration of groups would do, but a fault in librdkafka ends the process if a coordinator is
        # lost meanwhile. This consumer never joins its group.
        self._consumer = Consumer({**configuration, "group.id": group, "enable.auto.commit": False})

    def look(self, own: Collection[Place]) -> Look:
        """Ask Kafka; `own` are the partitions that this sink reads.

        Takes a few times `answer_seconds` at most. Faults of Kafka are in the answer.
        """
        faults: list[str] = []
        try:
            look = self._ask(own, faults)
        except KafkaException as error:  # raised by the library before it asked anybody
            self._note(faults, error.args[0])
            look = Look()
        self._client.poll(0)
        self._consumer.poll(0)
        if not faults:
            self._brokers.answered()
            return look
        return replace(look, fault=faults[0])

    def _ask(self, own: Collection[Place], faults: list[str]) -> Look:
        topic_ids, places = self._describe_topics(faults)
        starts = self._offsets(places, _EARLIEST, faults) if places else {}
        ends = self._offsets(places, _LATEST, faults) if places else {}
        others = self._committed([place for place in places if place not in own], faults)
        return Look(topic_ids=topic_ids, starts=starts, ends=ends, others=others)

    def close(self) -> None:
        """Close the connections of the consumer. Ends as soon as Kafka answers, or does not."""
        self._consumer.close()

    def _describe_topics(self, faults: list[str]) -> tuple[dict[str, str], list[Place]]:
        topic_ids: dict[str, str] = {}
        places: list[Place] = []
        try:
            # The question goes to the controller. This one, to any broker, tells which that is now.
            self._client.list_topics(self._topics[0], timeout=self._answer_seconds)
        except KafkaException as error:
            self._note(faults, error.args[0])
            return topic_ids, places
        asked = self._client.describe_topics(TopicCollection(self._topics), **self._timeout)
        for topic, description in self._answers(asked, faults):
            topic_ids[topic] = str(description.topic_id)
            places += [(topic, partition.id) for partition in description.partitions]
        return topic_ids, places

    def _offsets(self, places: Iterable[Place], what: OffsetSpec, faults: list[str]) -> dict[Place, int]:
        asked = self._client.list_offsets(
            {TopicPartition(*place): what for place in places},
            isolation_level=IsolationLevel.READ_COMMITTED,
            **self._timeout,
        )
        return {
            (each.topic, each.partition): found.offset
            for each, found in self._answers(asked, faults)
            if found.offset >= 0
        }

    def _committed(self, places: Sequence[Place], faults: list[str]) -> dict[Place, int | None]:
        if not places:
            return {}
        try:
            found = self._consumer.committed(
                [TopicPartition(*place) for place in places], timeout=self._answer_seconds
            )
        except KafkaException as error:
            self._note(faults, error.args[0])
            return {}
        return {(each.topic, each.partition): each.offset if each.offset >= 0 else None for each in found}

    @property
    def _timeout(self) -> dict[str, float]:
        return {"request_timeout": self._answer_seconds}

    def _answers(self, asked: Mapping[T, Future[Any]], faults: list[str]) -> Iterator[tuple[T, Any]]:
        """Yield what was answered, and note what was not."""
        deadline = time.monotonic() + self._answer_seconds + _MARGIN_SECONDS
        for key, future in asked.items():
            try:
                yield key, future.result(max(0.0, deadline - time.monotonic()))
            except KafkaException as error:
                reason = error.args[0]
                if reason.code() in UNKNOWN_TOPIC and isinstance(key, str):
                    faults.append(f"Kafka has no topic {key}. Make it with `hortus kafka topics create`.")
                else:
                    self._note(faults, reason)
            except TimeoutError:
                faults.append("Kafka does not answer.")

    def _note(self, faults: list[str], error: KafkaError) -> None:
        faults.append(f"Kafka does not answer ({self._brokers.last_reason or reason_of(error)}).")
