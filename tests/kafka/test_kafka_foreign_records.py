"""Whatever another program writes is data: it is stored or quarantined with its place, and ends no process."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
from random import Random

import pytest
from confluent_kafka import Producer
from kafka_cluster import KafkaCluster
from kafka_raw import RawRecord, write_raw
from kafka_world import Topics, sinking, until_committed, until_rows

import programs
from hortus.flow.kafka.consuming import headers_of
from hortus.flow.kafka.records import record_of
from ingest_world import World, now_ms
from waiting import PATIENCE_SECONDS, until

YEAR_9999_MS = 253_402_300_799_999
_FAR_PARTITIONS = "SELECT count(*) FROM pg_class WHERE relname ~ 'measurements_y[3-9]'"


def value_of(topics: Topics, world: World, payload: bytes, channel: str = "measurement/raw") -> bytes:
    return record_of(topics.names, world.topic(channel), payload, now_ms()).value


async def test_a_header_whose_name_is_not_text_costs_that_record_alone(
    kafka: KafkaCluster, topics: Topics, world: World
) -> None:
    bad, good = (value_of(topics, world, world.raw()) for _ in range(2))
    name = b"\xff\xfe"
    records = [
        RawRecord(bad, headers=[(b"ok", b"1"), (name, b"2"), (b"ok", b"3")], timestamp_ms=now_ms()),
        RawRecord(good, headers=[(b"received_at", b"%d" % now_ms())], timestamp_ms=now_ms()),
    ]
    write_raw(kafka.nodes[0].port, topics.names.raw, 2, records)
    async with sinking(topics, world.url), sinking(topics, world.url):
        await until_rows(world.connection, 1)
        await until_rows(world.connection, 1, "quarantine")
        await until_committed(topics, 2)
    row = await world.connection.fetchrow("SELECT * FROM quarantine")
    assert (row["kit_id"], row["stream"], row["reason"]) == (world.kit.id, "raw", "undecodable")
    assert "The name of a header is not text" in row["detail"]
    assert f"record 0 of partition 2 of the Kafka topic {topics.names.raw}" in row["detail"]


def test_headers_are_read_safely_whenever_garbage_is_collected(kafka: KafkaCluster, topics: Topics) -> None:
    names = [b"a", b"\xff", b"b", b"\xfe", b"c"]
    record = RawRecord(b"", headers=[(name, b"value") for name in names], timestamp_ms=now_ms())
    write_raw(kafka.nodes[0].port, topics.names.raw, 0, [record] * 50)
    thresholds = gc.get_threshold()
    for each in topics.records(topics.names.raw):
        gc.set_threshold(1)
        try:
            headers, fault = headers_of(each)
        finally:
            gc.set_threshold(*thresholds)
        assert not headers
        assert fault
        assert each.headers() == []
    assert gc.isenabled()


async def test_times_of_far_years_are_in_the_future_and_make_no_partitions(
    topics: Topics, world: World
) -> None:
    payload = world.raw(datetime_ms=YEAR_9999_MS)
    aggregate = world.aggregate(datetime_start_ms=YEAR_9999_MS - 5, datetime_end_ms=YEAR_9999_MS)
    far = {"received_at": b"%d" % YEAR_9999_MS}
    topics.produce(topics.names.raw, [value_of(topics, world, payload)], headers=far)
    topics.produce(
        topics.names.aggregate, [value_of(topics, world, aggregate, "measurement/aggregate")], headers=far
    )
    # A producer that writes microseconds: 1,000 times as far from 1970 as now.
    late = world.raw(datetime_ms=now_ms() * 50)
    topics.produce(
        topics.names.raw, [value_of(topics, world, late)], headers={"received_at": b"%d" % (now_ms() * 50)}
    )
    topics.produce(topics.names.raw, [value_of(topics, world, world.raw())], headers=far)
    async with sinking(topics, world.url):
        await until_rows(world.connection, 3, "quarantine")
        await until_rows(world.connection, 1)
        await until_committed(topics, 4)
    assert await world.connection.fetchval(_FAR_PARTITIONS) == 0
    assert await world.reasons() == {"time-in-future": 3}


async def test_the_marks_of_transactions_are_neither_missing_nor_waiting(topics: Topics, world: World) -> None:
    producer = Producer({"bootstrap.servers": topics.connection.bootstrap, "transactional.id": topics.group})
    await asyncio.to_thread(producer.init_transactions, PATIENCE_SECONDS)

    def write(count: int) -> None:
        producer.begin_transaction()
        for _ in range(count):
            producer.produce(topics.names.raw, value_of(topics, world, world.raw()), key=b"one")
        producer.flush(PATIENCE_SECONDS)

    async with sinking(topics, world.url) as (sink, _):
        for number in range(4):
            await asyncio.to_thread(write, 25)
            await asyncio.to_thread(producer.abort_transaction, PATIENCE_SECONDS)
            await asyncio.to_thread(write, 3 + number)
            await asyncio.to_thread(producer.commit_transaction, PATIENCE_SECONDS)
        await until_rows(world.connection, 3 + 4 + 5 + 6)
        # Each transaction ends with a mark, which has an offset as well.
        await until_committed(topics, 4 * 25 + 18 + 8)
        await until(lambda: sink.metrics.partitions == 15 and sink.metrics.fault is None, "the look")
        await until(lambda: sink.metrics.total_lag == 0 and sink.metrics.standstill_since is None, "no lag")
        assert sink.metrics.missed == 0


@pytest.mark.parametrize("seed", range(3))
async def test_any_record_is_stored_or_quarantined(
    kafka: KafkaCluster, topics: Topics, world: World, seed: int
) -> None:
    random = Random(seed)
    written = 0
    for topic in topics.names.all:
        for packed in (False, True):
            records = [any_record(random, topics, world) for _ in range(40)]
            write_raw(kafka.nodes[0].port, topic, random.randrange(3), records, packed=packed)
            written += len(records)
    good = [value_of(topics, world, world.raw()) for _ in range(8)]
    for partition, value in enumerate(good):
        topics.produce(topics.names.raw, [value], partition=partition % 4)
    async with sinking(topics, world.url):
        await until_committed(topics, written + len(good))
    ledger = await world.connection.fetchrow(
        "SELECT sum(received) AS received, sum(stored + duplicate + quarantined + refused) AS ended "
        "FROM ingest_ledger"
    )
    assert ledger["received"] == ledger["ended"] == written + len(good)
    assert await world.connection.fetchval(_FAR_PARTITIONS) == 0
    assert (
        await world.connection.fetchval("SELECT count(*) FROM quarantine WHERE detail !~ 'record \\d+ of'") == 0
    )


def any_record(random: Random, topics: Topics, world: World) -> RawRecord:
    """Return a record as another program might write it: half sense, half nonsense."""
    moment = random.choice([now_ms(), 0, 5, YEAR_9999_MS, now_ms() * 1000, 2**62])
    value: bytes | None = random.choice(
        [
            None,
            b"",
            random.randbytes(random.randrange(200)),
            value_of(topics, world, world.raw(datetime_ms=min(moment, YEAR_9999_MS))),
            value_of(topics, world, world.raw(value=random.choice([1e308, -0.0, 5e-324]))),
            value_of(topics, world, world.aggregate(), "measurement/aggregate"),
        ]
    )
    key = random.choice(
        [None, b"", world.kit.serial.encode(), random.randbytes(20), b"a/b/+/#\x00", b"k" * 70_000]
    )
    names = [
        b"received_at",
        b"reason",
        b"detail",
        b"mqtt_topic",
        b"payload_bytes",
        b"",
        b"\xff\xfe",
        b"x",
        b"\x00",
    ]
    values = [None, b"", b"%d" % moment, b"-1", b"undecodable", world.topic().encode(), random.randbytes(30)]
    headers = [(random.choice(names), random.choice(values)) for _ in range(random.randrange(6))]
    # Kafka itself refuses times that lie more than an hour ahead.
    return RawRecord(value, key, headers, random.choice([now_ms(), 0, 5, -1]))


async def test_a_replay_passes_a_header_whose_name_is_not_text(
    kafka: KafkaCluster, topics: Topics, world: World
) -> None:
    value = value_of(topics, world, world.raw())
    record = RawRecord(value, headers=[(b"\xff", b"")], timestamp_ms=now_ms())
    write_raw(kafka.nodes[0].port, topics.names.raw, 0, [record, record])
    replayed = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "hortus", "sink", "--from", "1960-01-01T00:00:00Z"],
        env=programs.environment(**topics.environment, DATABASE_URL=world.url),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert replayed.returncode == 0, replayed.stderr
    assert "Replayed 2 records" in replayed.stdout
    assert await world.count("quarantine") == 2
