"""Measures the topology with Kafka: `python bench/kafka.py [--quick]`.

Mosquitto, Kafka (one node, heap 384 MB), PostgreSQL, the load and the processes under measurement share this
machine. Kafka is fetched if it is not there (scripts/fetch-kafka). Exit code 1 if a figure misses its reach.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvloop
from confluent_kafka import Consumer, Producer, TopicPartition

from figures.throughput import measure_received
from hortus.kafka.administration import KafkaAdministration
from hortus.kafka.connection import KafkaConnection
from hortus.kafka.records import record_of
from hortus.kafka.topics import TopicNames, plan_topics
from hortus.wire.codec import encode_raw_measurement
from hortus.wire.messages import RawMeasurement
from rig.installation import Installation, Kit, installation
from rig.load import load
from rig.machine import MachineUse, Moment, describe
from rig.mosquitto import keep_session, mosquitto
from rig.processes import BenchError, cpu_seconds, peak_resident_bytes, running, tree_cpu_seconds, until
from rig.result import Result, markdown

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "kafka"))
from kafka_cluster import KafkaCluster

REACH_INGEST_RATE = 12_000
REACH_SINK_RATE = 30_000

PARTITIONS = 12
_HEAP_MEBIBYTES = 384
_TIMEOUT_SECONDS = 900.0
_MEBIBYTE = 1024 * 1024
MANY_KITS = 100_000
_MANY_KITS = """
WITH kit AS (
    INSERT INTO kits (serial, password_hash, name)
    SELECT 'k-many-' || lpad((n / 10000)::text, 4, '0') || '-' || lpad((n % 10000)::text, 4, '0'), '', 'many'
    FROM generate_series(1, $1) AS n RETURNING id, serial
), configuration AS (
    INSERT INTO kit_configurations
        (kit_id, controller_symbol_location, controller_symbol, control_rules, active, first_activated_at)
    SELECT id, '', '', '{}', true, now() FROM kit RETURNING id, kit_id
), peripheral AS (
    INSERT INTO peripherals (kit_id, kit_configuration_id, peripheral_definition_id, name, configuration)
    SELECT kit_id, id, (SELECT min(id) FROM peripheral_definitions), 'sensor', '{}' FROM configuration
    RETURNING id, kit_id
)
SELECT kit.serial, peripheral.id AS peripheral_id FROM kit JOIN peripheral ON peripheral.kit_id = kit.id
"""
_BYTES_PER_ROW = """
SELECT sum(pg_total_relation_size(relid))::float8 / (SELECT count(*) FROM raw_measurements)
FROM pg_partition_tree('raw_measurements') WHERE isleaf
"""
_HORTUS = Path(sys.executable).parent / "hortus"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What sinks did with a backlog. CPU in µs per reading."""

    rate: float
    sink_cpu: float
    database_cpu: float
    kafka_cpu: float
    sink_memory_mb: float
    machine: MachineUse

    def __str__(self) -> str:
        return (
            f"{self.rate:,.0f}/s; µs of CPU per reading: sinks {self.sink_cpu:.1f}, database "
            f"{self.database_cpu:.1f}, Kafka {self.kafka_cpu:.1f}; memory of a sink "
            f"{self.sink_memory_mb:.0f} MB; {self.machine}"
        )


class Stream:
    """A running Kafka, with topics that are new for each measurement."""

    def __init__(self, cluster: KafkaCluster) -> None:
        self.cluster = cluster
        self.connection = KafkaConnection(bootstrap=cluster.bootstrap)
        self._number = 0
        self.names = TopicNames()

    def new_topics(self) -> None:
        """Go on with empty topics."""
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
        """The id of Kafka's process."""
        return self.cluster.nodes[0].process_id

    @property
    def environment(self) -> dict[str, str]:
        """The settings with which a process of Hortus finds these topics."""
        return {
            "KAFKA_HOST": self.connection.bootstrap,
            "HORTUS_KAFKA_TOPIC_RAW": self.names.raw,
            "HORTUS_KAFKA_TOPIC_AGGREGATE": self.names.aggregate,
            "HORTUS_KAFKA_TOPIC_MEDIA": self.names.media,
            "HORTUS_KAFKA_TOPIC_DEAD_LETTER": self.names.dead_letter,
        }

    def consumer(self, *, reads: bool) -> Consumer:
        """Return a consumer that reads all readings from their beginning, or one that only asks for numbers.

        One that reads would let such a question wait behind its fetches.
        """
        consumer = Consumer({"bootstrap.servers": self.connection.bootstrap, "group.id": "bench"})
        if reads:
            consumer.assign([TopicPartition(self.names.raw, number, 0) for number in range(PARTITIONS)])
        return consumer

    def records(self, consumer: Consumer) -> int:
        """Return how many readings Kafka has."""
        places = [TopicPartition(self.names.raw, number) for number in range(PARTITIONS)]
        return sum(consumer.get_watermark_offsets(place, timeout=10)[1] for place in places)


async def measure_ingest(
    folder: Path, stand: Installation, stream: Stream, readings: int
) -> tuple[float, float]:
    """Return readings acknowledged by Kafka per second, and the ingester's CPU per reading in µs."""
    stream.new_topics()
    consumer = stream.consumer(reads=False)
    async with mosquitto(folder / "broker", stand.kits) as broker:
        environment = broker.environment | stream.environment | {"HORTUS_MQTT_CLIENT_ID": "bench"}
        await keep_session(broker.subscriber("bench"))
        async with (
            running(
                [_HORTUS, "ingest", "--to", "kafka"], log=folder / "ingest.log", environment=environment
            ) as ours,
            load(folder, broker.port, stand.kits, readings) as ready,
        ):
            await until(
                lambda: "connected to the broker" in (folder / "ingest.log").read_text(),
                "the ingester to connect",
            )
            used, kafka_used, start = cpu_seconds(ours.pid), cpu_seconds(stream.process_id), Moment.now()
            await ready.begin()
            ended_at = await _until_in_kafka(stream, consumer, readings)
            outcome = await ready.finished()
            used, kafka_used = cpu_seconds(ours.pid) - used, cpu_seconds(stream.process_id) - kafka_used
            own = used + kafka_used + outcome.cpu_seconds
            rate = readings / (ended_at - outcome.started_at)
            print(
                f"  hortus ingest --to kafka: {rate:,.0f}/s; µs of CPU per reading: ingester "
                f"{used / readings * 1e6:.1f}, Kafka {kafka_used / readings * 1e6:.1f}; memory "
                f"{peak_resident_bytes(ours.pid) / _MEBIBYTE:.0f} MB; "
                f"{MachineUse.between(start, Moment.now(), own)} (Mosquitto among the others)",
                flush=True,
            )
    consumer.close()
    return rate, used / readings * 1e6


async def _until_in_kafka(stream: Stream, consumer: Consumer, readings: int) -> float:
    async with asyncio.timeout(_TIMEOUT_SECONDS):
        while (found := await asyncio.to_thread(stream.records, consumer)) < readings:  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.05)
    if found != readings:
        raise BenchError(f"Sent {readings} readings and Kafka has {found}.")
    return time.time()


async def make_many_kits(stand: Installation, count: int) -> list[Kit]:
    """Make so many kits with one sensor each, by the shortest way."""
    async with stand.connection.transaction():
        rows = await stand.connection.fetch(_MANY_KITS, count)
    return [Kit(serial=row["serial"], password="", series=[(row["peripheral_id"], 1)]) for row in rows]


def fill(stream: Stream, kits: Sequence[Kit], readings: int) -> None:
    """Write a backlog as the ingester does: one reading of each kit in turn."""
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
    """Return how many records per second a bare consumer counts."""
    consumer = stream.consumer(reads=True)
    counted, begun = 0, 0.0
    while counted < readings:
        records = consumer.consume(1000, 1.0)
        begun = begun or time.monotonic()
        counted += len(records)
    rate = counted / (time.monotonic() - begun)
    consumer.close()
    return rate


async def measure_sinks(folder: Path, stand: Installation, stream: Stream, readings: int, sinks: int) -> Stored:
    """Let so many sinks store the backlog; counted from the moment when all of them are at work."""
    await stand.empty()
    environment = stream.environment | {
        "DATABASE_URL": stand.url.libpq(),
        "KAFKA_CONSUMER_GROUP": f"sinks-{sinks}-{time.time()}",
    }
    async with contextlib.AsyncExitStack() as stack:
        processes = [
            await stack.enter_async_context(
                running([_HORTUS, "sink", "--stream", "raw"], log=folder / "sink.log", environment=environment)
            )
            for _ in range(sinks)
        ]
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            while (first := (await stand.counts()).all) == 0:
                if any(process.returncode is not None for process in processes):
                    raise BenchError(f"A sink has ended; {folder / 'sink.log'} says why.")
                await asyncio.sleep(0.02)
            begun, start = time.monotonic(), Moment.now()
            before = _processor_seconds(processes, stand, stream)
            while (await stand.counts()).all < readings:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        seconds = time.monotonic() - begun
        used = [
            now - then for now, then in zip(_processor_seconds(processes, stand, stream), before, strict=True)
        ]
        machine = MachineUse.between(start, Moment.now(), sum(used))
        memory = max(peak_resident_bytes(process.pid) for process in processes) / _MEBIBYTE
    counts = await stand.counts()
    if counts.other or counts.stored != readings:
        raise BenchError(f"Of {readings} readings the ledger has {counts}.")
    done = readings - first
    sink_cpu, database_cpu, kafka_cpu = (each / done * 1e6 for each in used)
    return Stored(
        rate=done / seconds,
        sink_cpu=sink_cpu,
        database_cpu=database_cpu,
        kafka_cpu=kafka_cpu,
        sink_memory_mb=memory,
        machine=machine,
    )


def _processor_seconds(
    processes: list[asyncio.subprocess.Process], stand: Installation, stream: Stream
) -> tuple[float, float, float]:
    return (
        sum(cpu_seconds(process.pid) for process in processes),
        tree_cpu_seconds(stand.postgres_process_id),
        cpu_seconds(stream.process_id),
    )


@contextlib.asynccontextmanager
async def kafka(folder: Path) -> AsyncIterator[Stream]:
    """Run one node for the length of the context."""
    cluster = await asyncio.to_thread(
        KafkaCluster, folder / "kafka", heap_mebibytes=_HEAP_MEBIBYTES, quick_start=False
    )
    try:
        yield Stream(cluster)
    finally:
        cluster.stop(signal.SIGKILL)


async def measure(folder: Path, readings: int, backlog: int) -> list[Result]:
    """Measure everything, and print each figure as soon as it is known."""
    print(describe(), flush=True)
    async with installation(folder / "data") as stand, kafka(folder) as stream:
        reference = await measure_received(folder, stand, readings)
        print(f"  mosquitto_sub: {reference.describe()}", flush=True)
        await measure_ingest(folder, stand, stream, readings // 5)  # Kafka's compiler warms up
        rate, cpu = await measure_ingest(folder, stand, stream, readings)
        results = [
            Result(
                figure=f"MQTT to Kafka, acknowledged, {readings:,} readings",
                value=f"{rate:,.0f}/s, {rate / reference.rate:.2f} of the reference; {cpu:.0f} µs of CPU each",
                reach=f"≥ {REACH_INGEST_RATE:,}/s",
                reference=f"mosquitto_sub {reference.rate:,.0f}/s",
                met=rate >= REACH_INGEST_RATE,
            )
        ]
        await asyncio.to_thread(fill, stream, stand.kits, backlog)
        bare = await asyncio.to_thread(count_only, stream, backlog)
        print(f"  a consumer that only counts: {bare:,.0f}/s", flush=True)
        one = await measure_sinks(folder, stand, stream, backlog, 1)
        print(f"  one sink: {one}", flush=True)
        two = await measure_sinks(folder, stand, stream, backlog, 2)
        print(f"  two sinks: {two}", flush=True)
        results.append(
            Result(
                figure=f"Kafka to PostgreSQL, one sink, backlog of {backlog:,}",
                value=f"{one.rate:,.0f}/s; {one.sink_cpu:.0f} µs of CPU each",
                reach=f"≥ {REACH_SINK_RATE:,}/s",
                reference=f"counting only {bare:,.0f}/s",
                met=one.rate >= REACH_SINK_RATE,
            )
        )
        results.append(
            Result(
                figure="two sinks against one",
                value=f"{two.rate:,.0f}/s, {two.rate / one.rate:.2f} of one",
                reference=f"one sink {one.rate:,.0f}/s",
            )
        )
        size = await stand.connection.fetchval(_BYTES_PER_ROW)
        kits = await make_many_kits(stand, MANY_KITS)
        await asyncio.to_thread(fill, stream, kits, backlog // 5)
        many = await measure_sinks(folder, stand, stream, backlog // 5, 1)
        print(f"  one sink, {MANY_KITS:,} kits: {many}", flush=True)
        results.append(
            Result(
                figure=f"one sink, readings of {MANY_KITS:,} kits in turn",
                value=f"{many.rate:,.0f}/s; {many.sink_cpu:.0f} µs of CPU, database {many.database_cpu:.0f}",
                reference=f"{len(stand.kits)} kits {one.rate:,.0f}/s, database {one.database_cpu:.0f} µs",
            )
        )
        results.append(Result(figure="bytes in PostgreSQL per reading, index included", value=f"{size:.0f}"))
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the readings")
    options = parser.parse_args()
    readings, backlog = (30_000, 100_000) if options.quick else (300_000, 1_000_000)
    with tempfile.TemporaryDirectory(prefix="hortus-bench-") as folder:
        try:
            results = uvloop.run(measure(Path(folder), readings, backlog))
        except BenchError as error:
            sys.exit(str(error))
    print(markdown(results))
    sys.exit(any(result.met is False for result in results))


if __name__ == "__main__":
    main()
