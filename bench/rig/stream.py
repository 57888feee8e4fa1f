"""Runs Kafka with new topics for each measurement, and fills them with a backlog."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from confluent_kafka import Consumer, Producer, TopicPartition

from hortus.flow.kafka.administration import KafkaAdministration
from hortus.flow.kafka.connection import KafkaConnection
from hortus.flow.kafka.records import record_of
from hortus.flow.kafka.topics import TopicNames, plan_topics
from hortus.protocol.wire.codec import encode_raw_measurement
from hortus.protocol.wire.messages import RawMeasurement
from rig.installation import Kit
from rig.processes import BenchError

# The tests can already start a Kafka; the bench uses the same code.
sys.path.append(str(Path(__file__).parents[2] / "tests" / "kafka"))
sys.path.append(str(Path(__file__).parents[2] / "tests"))
from kafka_cluster import KafkaCluster

PARTITIONS = 12
_HEAP_MEBIBYTES = 384


class Stream:
    """A running Kafka with new topics for each measurement."""

    def __init__(self, cluster: KafkaCluster) -> None:
        self.cluster = cluster
        self.connection = KafkaConnection(bootstrap=cluster.bootstrap)
        self._number = 0
        self.names = TopicNames()

    def new_topics(self) -> None:
        """Switch to new, empty topics."""
        self._number += 1
        prefix = f"run-{self._number}"
        self.names = TopicNames(
            raw=f"{prefix}-raw",
            aggregate=f"{prefix}-aggregate",
            media=f"{prefix}-media",
            dead_letter=f"{prefix}-dead-letter",
        )
        plans = plan_topics(self.names, partitions=PARTITIONS, replication=1, retention_days=1)
        KafkaAdministration(self.connection).create(list(plans))

    @property
    def process_id(self) -> int:
        return self.cluster.nodes[0].process_id

    @property
    def environment(self) -> dict[str, str]:
        """The settings with which a Hortus process uses these topics."""
        return {
            "KAFKA_HOST": self.connection.bootstrap,
            "HORTUS_KAFKA_TOPIC_RAW": self.names.raw,
            "HORTUS_KAFKA_TOPIC_AGGREGATE": self.names.aggregate,
            "HORTUS_KAFKA_TOPIC_MEDIA": self.names.media,
            "HORTUS_KAFKA_TOPIC_DEAD_LETTER": self.names.dead_letter,
        }

    def consumer(self, *, reads: bool) -> Consumer:
        """Return a consumer that reads all readings from the beginning, or one that only queries offsets.

        In a consumer that reads, such a query would wait behind its fetches.
        """
        consumer = Consumer({"bootstrap.servers": self.connection.bootstrap, "group.id": "bench"})
        if reads:
            consumer.assign([TopicPartition(self.names.raw, number, 0) for number in range(PARTITIONS)])
        return consumer

    def records(self, consumer: Consumer) -> int:
        """Return the number of readings in Kafka."""
        places = [TopicPartition(self.names.raw, number) for number in range(PARTITIONS)]
        return sum(consumer.get_watermark_offsets(place, timeout=10)[1] for place in places)


@contextlib.asynccontextmanager
async def kafka(folder: Path) -> AsyncIterator[Stream]:
    """Run a single node while the context is open."""
    cluster = await asyncio.to_thread(
        KafkaCluster, folder / "kafka", heap_mebibytes=_HEAP_MEBIBYTES, quick_start=False
    )
    try:
        yield Stream(cluster)
    finally:
        cluster.stop(signal.SIGKILL)


def fill(stream: Stream, kits: Sequence[Kit], readings: int) -> None:
    """Write a backlog like the ingester does: one reading of each kit in turn."""
    stream.new_topics()
    producer = Producer(
        {
            "bootstrap.servers": stream.connection.bootstrap,
            "linger.ms": 50,
            "compression.type": "lz4",
            "queue.buffering.max.messages": 200_000,
        }
    )
    now_ms = int(time.time() * 1000) - 3_600_000
    for number in range(readings):
        kit = kits[number % len(kits)]
        peripheral, quantity_type = kit.series[number // len(kits) % len(kit.series)]
        reading = RawMeasurement(
            id=os.urandom(16),
            datetime_ms=now_ms + number,
            peripheral=peripheral,
            quantity_type=quantity_type,
            value=20 + number % 100 / 10,
        )
        topic = f"kit/{kit.serial}/measurement/raw"
        record = record_of(stream.names, topic, encode_raw_measurement(reading), now_ms + number)
        while True:
            try:
                producer.produce(
                    record.topic, record.value, record.key, timestamp=now_ms + number, headers=record.headers
                )
                break
            except BufferError:
                producer.poll(0.1)
    if producer.flush(120):
        raise BenchError("Kafka did not take the backlog.")


def count_only(stream: Stream, readings: int) -> float:
    """Return the records per second that a bare consumer reads and counts."""
    consumer = stream.consumer(reads=True)
    counted, begun = 0, 0.0
    while counted < readings:
        records = consumer.consume(1000, 1.0)
        begun = begun or time.monotonic()
        counted += len(records)
    rate = counted / (time.monotonic() - begun)
    consumer.close()
    return rate
