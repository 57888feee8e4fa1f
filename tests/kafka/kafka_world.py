"""The harness of the Kafka tests: separate topics, access to their records, and a running sink."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import asyncpg
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from kafka_one_broker import topic_id_at

from hortus.base.database.engine import connector
from hortus.base.database.url import DatabaseUrl
from hortus.domain.kits.registry import KitRegistry
from hortus.domain.media.objects import MediaObjects
from hortus.flow.ingest.media_lane import MediaLane
from hortus.flow.ingest.pipeline import IngestLimits, IngestPipeline
from hortus.flow.kafka.administration import KafkaAdministration
from hortus.flow.kafka.connection import KafkaConnection
from hortus.flow.kafka.reader import ReaderLimits
from hortus.flow.kafka.sink import KafkaSink
from hortus.flow.kafka.topics import TopicNames, plan_topics
from waiting import PATIENCE_SECONDS, wait_until

QUICK = ReaderLimits(commit_seconds=0.05, patience_seconds=0.1, session_seconds=3.0, look_seconds=0.2)
QUICK_PIPELINE = IngestLimits(attempt_seconds=2.0, longest_pause_seconds=0.2, waiting_messages=500)


@dataclass(frozen=True)
class Topics:
    """The four topics of one test, and the group that reads them."""

    connection: KafkaConnection
    names: TopicNames
    group: str

    @property
    def environment(self) -> dict[str, str]:
        """The settings with which a command uses them."""
        return {
            "KAFKA_HOST": self.connection.bootstrap,
            "KAFKA_CONSUMER_GROUP": self.group,
            "HORTUS_KAFKA_TOPIC_RAW": self.names.raw,
            "HORTUS_KAFKA_TOPIC_AGGREGATE": self.names.aggregate,
            "HORTUS_KAFKA_TOPIC_MEDIA": self.names.media,
            "HORTUS_KAFKA_TOPIC_DEAD_LETTER": self.names.dead_letter,
        }

    def records(self, topic: str) -> list[Message]:
        """Return all records of a topic, each partition in its order."""
        consumer = Consumer({"bootstrap.servers": self.connection.bootstrap, "group.id": "test-reads"})
        try:
            partitions = consumer.list_topics(topic, timeout=PATIENCE_SECONDS).topics[topic].partitions
            found: list[Message] = []
            for number in partitions:
                place = TopicPartition(topic, number, 0)
                first, end = consumer.get_watermark_offsets(place, timeout=PATIENCE_SECONDS)
                consumer.assign([place])
                while first < end:
                    for record in consumer.consume(1000, 1.0):
                        assert record.error() is None
                        found.append(record)
                        first = (record.offset() or 0) + 1
            return found
        finally:
            consumer.close()

    def committed(self) -> int:
        """Return how many records of all topics the group has committed."""
        consumer = Consumer({"bootstrap.servers": self.connection.bootstrap, "group.id": self.group})
        try:
            places = [
                TopicPartition(topic, number)
                for topic in self.names.all
                for number in consumer.list_topics(topic, timeout=PATIENCE_SECONDS).topics[topic].partitions
            ]
            return sum(max(0, each.offset) for each in consumer.committed(places, timeout=PATIENCE_SECONDS))
        except KafkaException as error:
            # A broker that has just started does not know yet who keeps the group's offsets.
            if error.args[0].code() != KafkaError.NOT_COORDINATOR:
                raise
            return 0
        finally:
            consumer.close()

    def make_again(self, topic: str, partitions: int = 4, **options: Any) -> None:
        """Delete a topic and make it again, empty. Returns when every broker knows the new one.

        Kafka confirms a creation before all brokers have heard of it. A producer that asks a broker of the old
        topic chooses among its partitions, and drops what was meant for one that the new topic does not have.
        """
        before = self.ids_at_brokers(topic)
        admin = AdminClient({"bootstrap.servers": self.connection.bootstrap})
        admin.delete_topics([topic])[topic].result()
        wait_until(lambda: topic not in admin.list_topics(timeout=PATIENCE_SECONDS).topics, "the deletion")
        admin.create_topics([NewTopic(topic, num_partitions=partitions, **options)])[topic].result()
        wait_until(lambda: self.is_known_anew(topic, before), "every broker knows the new topic")

    def is_known_anew(self, topic: str, before: set[str | None]) -> bool:
        """Return whether all brokers agree on the id of the topic, and it is none of those before."""
        now = self.ids_at_brokers(topic)
        return len(now) == 1 and now.isdisjoint(before | {None})

    def ids_at_brokers(self, topic: str) -> set[str | None]:
        """Return the ids that the topic has for the brokers; None among them if one does not know it."""
        ports = [int(address.rpartition(":")[2]) for address in self.connection.bootstrap.split(",")]
        return {topic_id_at(port, topic) for port in ports}

    def produce(self, topic: str, values: Iterable[bytes], **options: Any) -> None:
        """Write records as another program would. Raises AssertionError if Kafka does not have all of them."""
        producer = Producer({"bootstrap.servers": self.connection.bootstrap, "message.max.bytes": 70_000_000})
        lost: list[KafkaError] = []
        for value in values:
            while True:
                try:
                    producer.produce(topic, value, on_delivery=partial(_note_lost, lost), **options)
                    producer.poll(0)
                    break
                except BufferError:
                    producer.poll(0.1)
        assert producer.flush(PATIENCE_SECONDS) == 0
        assert not lost, f"{len(lost)} records are not in Kafka: {lost[0]}"


def _note_lost(lost: list[KafkaError], error: KafkaError | None, _record: Message) -> None:
    if error is not None:
        lost.append(error)


def make_topics(connection: KafkaConnection, prefix: str, partitions: int = 4, replication: int = 1) -> Topics:
    names = TopicNames(
        raw=f"{prefix}-raw",
        aggregate=f"{prefix}-aggregate",
        media=f"{prefix}-media",
        dead_letter=f"{prefix}-dead-letter",
    )
    plans = plan_topics(names, partitions=partitions, replication=replication, retention_days=1)
    KafkaAdministration(connection).create(list(plans))
    return Topics(connection, names, group=f"{prefix}-sink")


@contextlib.asynccontextmanager
async def sinking(
    topics: Topics,
    database_url: str,
    *,
    limits: ReaderLimits = QUICK,
    pipeline_limits: IngestLimits = QUICK_PIPELINE,
    stream_topics: Iterable[str] | None = None,
    media: MediaObjects | None = None,
) -> AsyncIterator[tuple[KafkaSink, IngestPipeline]]:
    """Run one sink with its own pipeline, like one process does."""
    url = DatabaseUrl.parse(database_url)
    connect, registry = connector(url, "test sink"), KitRegistry()
    lane = None if media is None else MediaLane(connect, registry, media)
    pipeline = IngestPipeline(connect, registry, limits=pipeline_limits, media=lane)
    working = asyncio.create_task(pipeline.run())
    sink = KafkaSink(
        topics.connection,
        topics.names,
        list(stream_topics or topics.names.all),
        pipeline,
        group=topics.group,
        limits=limits,
    )
    running = asyncio.create_task(sink.run())
    try:
        yield sink, pipeline
    finally:
        sink.stop()
        await running
        await pipeline.stop(5)
        await working


async def until_rows(connection: asyncpg.Connection, count: int, table: str = "raw_measurements") -> None:
    """Wait until the table has this many rows."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := await connection.fetchval(f"SELECT count(*) FROM {table}")) < count:
        assert time.monotonic() < deadline, f"{found} of {count} rows"
        await asyncio.sleep(0.02)
    assert found == count


async def until_committed(topics: Topics, count: int) -> None:
    """Wait until the group has committed this many records, and not one more."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := await asyncio.to_thread(topics.committed)) < count:
        assert time.monotonic() < deadline, f"{found} of {count} records committed"
    assert found == count
