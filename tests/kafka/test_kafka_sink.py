"""From Kafka to the database, with a real Kafka and a real PostgreSQL."""

from __future__ import annotations

import asyncio
import os
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from kafka_world import QUICK, Topics, sinking, until_committed, until_rows

from hortus.domain.media.keys import ObjectKey
from hortus.domain.media.objects import MediaObjects
from hortus.flow.ingest.messages import QuarantineVerdict
from hortus.flow.kafka.records import dead_letter, record_of
from hortus.flow.kafka.sink import KafkaSink
from hortus.flow.kafka.topics import TopicNames
from hortus.protocol.reasons import Reason
from hortus.protocol.wire.codec import decode_raw_measurement, encode_media, encode_raw_measurement
from hortus.protocol.wire.messages import Media
from ingest_world import World, now_ms
from waiting import until


def write(topics: Topics, world: World, payloads: list[bytes], channel: str = "measurement/raw") -> None:
    """Write messages of the world's kit like the ingester does."""
    for payload in payloads:
        record = record_of(topics.names, world.topic(channel), payload, now_ms())
        topics.produce(record.topic, [record.value], key=record.key, headers=record.headers)


def write_readings(topics: Topics, world: World, count: int, kits: int = 1) -> list[bytes]:
    """Write many readings at once, spread over kits and therefore over partitions; return them."""
    payloads = [world.raw(value=float(number)) for number in range(count)]
    for kit in range(kits):
        values = [record_of(topics.names, world.topic(), each, now_ms()).value for each in payloads[kit::kits]]
        topics.produce(topics.names.raw, values, key=f"part-{kit}", timestamp=now_ms())
    return payloads


async def test_readings_reach_the_database_and_then_the_offset_is_committed(
    topics: Topics, world: World
) -> None:
    write(topics, world, [world.raw(value=1.0), world.raw(value=2.0)])
    write(topics, world, [world.aggregate()], "measurement/aggregate")
    async with sinking(topics, world.url):
        await until_rows(world.connection, 2)
        await until_rows(world.connection, 1, "aggregate_measurements")
        await until_committed(topics, 3)
    ledger = await world.ledger(world.kit.id)
    assert (ledger.received, ledger.stored) == (3, 3)


async def test_records_of_other_programs_are_read_by_the_serial_in_their_value(
    topics: Topics, world: World
) -> None:
    reading = replace(decode_raw_measurement(world.raw()), kit_serial=world.kit.serial)
    topics.produce(topics.names.raw, [encode_raw_measurement(reading)])
    async with sinking(topics, world.url):
        await until_rows(world.connection, 1)


async def test_a_poison_record_is_quarantined_and_the_rest_passes(topics: Topics, world: World) -> None:
    write(topics, world, [world.raw()])
    topics.produce(topics.names.raw, [b"", b"\xff" * 50, b"\x10\x0b\x50"], key=world.kit.serial)
    topics.produce(topics.names.raw, [b"nobody knows whose"], headers={"received_at": b"soon"})
    topics.produce(topics.names.aggregate, [b"\x00"], key=b"\x00\xff/kit")
    topics.produce(topics.names.dead_letter, [b"?"], headers={"reason": b"other", "mqtt_topic": b"a/b"})
    write(topics, world, [world.raw(), world.raw(peripheral=999_999)])
    async with sinking(topics, world.url):
        await until_rows(world.connection, 2)
        await until_rows(world.connection, 7, "quarantine")
        await until_committed(topics, 9)
    ledger = await world.ledger()
    assert (ledger.received, ledger.stored, ledger.quarantined) == (9, 2, 7)


async def test_dead_letters_end_in_quarantine_as_they_came(topics: Topics, world: World) -> None:
    verdict = QuarantineVerdict(Reason.UNDECODABLE, "It is not a message.")
    record = dead_letter(topics.names, world.topic(), b"rubbish", 1_780_000_000_000, verdict)
    topics.produce(record.topic, [record.value], key=record.key, headers=record.headers)
    async with sinking(topics, world.url, stream_topics=(topics.names.aggregate, topics.names.dead_letter)):
        await until_rows(world.connection, 1, "quarantine")
    row = await world.connection.fetchrow("SELECT * FROM quarantine")
    assert (row["kit_id"], row["stream"], row["reason"]) == (world.kit.id, "raw", "undecodable")
    assert row["payload"] == b"rubbish"
    record = topics.records(topics.names.dead_letter)[0]
    place = f"record 0 of partition {record.partition()} of the Kafka topic {topics.names.dead_letter}"
    assert row["detail"] == f"It is not a message. ({place})"
    assert row["topic"] == world.topic()
    assert row["received_at"].timestamp() == 1_780_000_000


async def test_the_beginning_of_a_message_ends_in_quarantine_with_the_size_of_the_whole(
    topics: Topics, world: World
) -> None:
    verdict = QuarantineVerdict(Reason.PAYLOAD_TOO_LARGE, "Too large.")
    record = dead_letter(
        topics.names, world.topic("media"), b"head", now_ms(), verdict, whole_bytes=200_000_000
    )
    topics.produce(record.topic, [record.value], key=record.key, headers=record.headers)
    async with sinking(topics, world.url):
        await until_rows(world.connection, 1, "quarantine")
        await until_committed(topics, 1)
    row = await world.connection.fetchrow("SELECT * FROM quarantine")
    assert (row["payload"], row["payload_bytes"]) == (b"head", 200_000_000)
    assert row["detail"].startswith("Too large.")
    ledger = await world.ledger(world.kit.id)
    assert (ledger.received, ledger.quarantined) == (1, 1)


async def test_the_ledger_counts_in_the_hour_of_arrival_at_ingest(topics: Topics, world: World) -> None:
    arrival_ms = now_ms() - 5 * 3_600_000
    payload = world.raw(datetime_ms=arrival_ms)
    record = record_of(topics.names, world.topic(), payload, arrival_ms)
    topics.produce(record.topic, [record.value], key=record.key, headers=record.headers)
    async with sinking(topics, world.url):
        await until_rows(world.connection, 1)
    hour = await world.connection.fetchval("SELECT hour FROM ingest_ledger WHERE stream = 'raw'")
    assert hour.timestamp() * 1000 == arrival_ms - arrival_ms % 3_600_000
    received_at = await world.connection.fetchval("SELECT received_at FROM raw_measurements")
    assert round(received_at.timestamp() * 1000) == arrival_ms


async def test_a_clock_is_judged_by_the_arrival_at_ingest(topics: Topics, world: World) -> None:
    arrival_ms = now_ms() - 3_600_000
    payload = world.raw(datetime_ms=arrival_ms + 30 * 60_000)
    record = record_of(topics.names, world.topic(), payload, arrival_ms)
    topics.produce(record.topic, [record.value], key=record.key, headers=record.headers)
    async with sinking(topics, world.url):
        await until_rows(world.connection, 1, "quarantine")
    assert await world.connection.fetchval("SELECT reason FROM quarantine") == "time-in-future"


async def test_a_reading_that_was_delivered_twice_is_stored_once(topics: Topics, world: World) -> None:
    payload = world.raw()
    write(topics, world, [payload, payload, world.raw()])
    async with sinking(topics, world.url):
        await until_committed(topics, 3)
    assert await world.count() == 2
    ledger = await world.ledger(world.kit.id)
    assert (ledger.received, ledger.stored, ledger.duplicate) == (3, 2, 1)


async def test_a_full_disk_stops_the_offsets_and_nothing_else(topics: Topics, world: World) -> None:
    await world.connection.execute(
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'no space left on device' USING ERRCODE = '53100'; END $$;"
        "CREATE TRIGGER full_disk BEFORE INSERT ON raw_measurements EXECUTE FUNCTION full_disk()"
    )
    payloads = write_readings(topics, world, 3000, kits=8)
    async with sinking(topics, world.url) as (sink, pipeline):
        await until(lambda: sink.metrics.partitions == 15, "all partitions")
        await until(lambda: sink.metrics.paused and pipeline.metrics.failed_attempts > 2, "the pause")
        assert await asyncio.to_thread(topics.committed) == 0
        assert pipeline.open_messages <= 500 + QUICK.consume_messages
        assert sink.metrics.partitions == 15
        rebalances = sink.metrics.rebalances
        await world.connection.execute("DROP TRIGGER full_disk ON raw_measurements")
        await until_rows(world.connection, len(payloads))
        await until_committed(topics, len(payloads))
        assert sink.metrics.rebalances == rebalances
    ledger = await world.ledger(world.kit.id)
    assert (ledger.received, ledger.stored) == (len(payloads), len(payloads))


async def test_sinks_share_the_partitions_and_a_rebalance_amid_batches_loses_nothing(
    topics: Topics, world: World
) -> None:
    payloads = write_readings(topics, world, 6000, kits=12)
    async with sinking(topics, world.url) as (first, _):
        await until(lambda: first.metrics.consumed > 500, "the first batches")
        async with sinking(topics, world.url) as (second, _):
            await until(lambda: len(second.readers[0].lanes) == 2, "half of the readings' partitions")
            more = write_readings(topics, world, 3000, kits=12)
            await until_rows(world.connection, len(payloads) + len(more))
            await until_committed(topics, len(payloads) + len(more))
            await until(
                lambda: first.metrics.partitions + second.metrics.partitions == 15,
                "every partition",
            )
            assert second.metrics.consumed > 0
        await until(lambda: first.metrics.partitions == 15, "all partitions back")
        write_readings(topics, world, 500, kits=12)
        await until_rows(world.connection, len(payloads) + len(more) + 500)
    assert await world.connection.fetchval("SELECT count(DISTINCT value) FROM raw_measurements") == 6000
    ledger = await world.ledger(world.kit.id)
    # Partitions were drained before they moved, so nothing was even read twice.
    assert (ledger.received, ledger.duplicate) == (9500, 0)


async def test_a_partition_moves_although_the_database_is_away(topics: Topics, world: World) -> None:
    await world.connection.execute("ALTER TABLE raw_measurements RENAME TO away")
    payloads = write_readings(topics, world, 2000, kits=8)
    limits = replace(QUICK, revoke_seconds=0.2)
    async with sinking(topics, world.url, limits=limits) as (first, _):
        await until(lambda: first.metrics.paused, "the pause")
        async with sinking(topics, world.url, limits=limits) as (second, _):
            await until(lambda: len(second.readers[0].lanes) == 2, "a share")
            await world.connection.execute("ALTER TABLE away RENAME TO raw_measurements")
            await until_rows(world.connection, len(payloads))
            await until_committed(topics, len(payloads))
        await until(lambda: len(first.readers[0].lanes) == 4, "all partitions back")
        write_readings(topics, world, 200, kits=8)
        await until_rows(world.connection, len(payloads) + 200)
    ledger = await world.ledger(world.kit.id)
    assert ledger.stored == len(payloads) + 200
    assert ledger.received == ledger.stored + ledger.duplicate


async def test_what_was_not_committed_is_read_again_without_effect(topics: Topics, world: World) -> None:
    payloads = write_readings(topics, world, 300, kits=4)
    never = replace(QUICK, commit_seconds=3600.0, revoke_seconds=0.0)
    async with sinking(topics, world.url, limits=never) as (sink, _):
        await until_rows(world.connection, len(payloads))
        for reader in sink.readers:
            reader._assignment.drop()  # as a crash: nobody is left to commit at the end
    async with sinking(topics, world.url):
        await until_committed(topics, len(payloads))
    assert await world.count() == len(payloads)
    ledger = await world.ledger(world.kit.id)
    assert ledger.received == ledger.stored + ledger.duplicate


async def test_records_that_kafka_deleted_before_they_were_read_are_told(
    topics: Topics, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    from confluent_kafka import TopicPartition
    from confluent_kafka.admin import AdminClient

    write(topics, world, [world.raw()])
    async with sinking(topics, world.url):
        await until_committed(topics, 1)
    write(topics, world, [world.raw() for _ in range(5)])
    partition = topics.records(topics.names.raw)[0].partition()
    admin = AdminClient({"bootstrap.servers": topics.connection.bootstrap})
    for future in admin.delete_records([TopicPartition(topics.names.raw, partition, 4)]).values():
        future.result()
    async with sinking(topics, world.url) as (sink, _):
        await until_rows(world.connection, 3)
        await until(lambda: sink.metrics.missed == 3, "the count")
    assert "3 records were deleted by Kafka" in caplog.text


async def test_a_sink_that_failed_may_run_again(topics: Topics, world: World) -> None:
    sink = KafkaSink(
        topics.connection, topics.names, topics.names.all, world.pipeline, group=topics.group, limits=QUICK
    )
    failed = asyncio.create_task(sink.run())
    await until(lambda: sink.metrics.partitions == 15, "all partitions")
    failed.cancel()
    await asyncio.wait({failed})
    write(topics, world, [world.raw()])
    running = asyncio.create_task(sink.run())
    await until_rows(world.connection, 1)
    await until(lambda: sink.metrics.fault is None and sink.metrics.partitions == 15, "health")
    sink.stop()
    await running
    assert sink.has_committed
    await until_committed(topics, 1)


async def test_media_pass_whole(topics: Topics, world: World) -> None:
    picture = uuid.uuid4().bytes * 100_000
    record = record_of(topics.names, world.topic("media"), picture, now_ms())
    topics.produce(record.topic, [record.value], key=record.key, headers=record.headers)
    async with sinking(topics, world.url):
        await until_committed(topics, 1)
    ledger = await world.ledger(world.kit.id)
    assert ledger.received == 1


async def test_media_are_stored_before_their_offset_is_committed(
    topics: Topics, world: World, tmp_path: Path
) -> None:
    objects = MediaObjects.in_folder(tmp_path / "media")
    medium = Media(
        id=uuid.uuid4().bytes,
        datetime_ms=now_ms(),
        peripheral=world.peripheral,
        name="regular.png",
        type="image/png",
        data=os.urandom(2_000_000),
        metadata="null",
    )
    record = record_of(topics.names, world.topic("media"), encode_media(medium), now_ms())
    for _ in range(2):
        topics.produce(record.topic, [record.value], key=record.key, headers=record.headers)
    write(topics, world, [world.raw()])
    async with sinking(topics, world.url, media=objects):
        await until_committed(topics, 3)
    key = ObjectKey(world.kit.serial, uuid.UUID(bytes=medium.id))
    assert await objects.size_of(key) == 2_000_000
    ledger = await world.ledger(world.kit.id)
    assert (ledger.received, ledger.stored, ledger.duplicate) == (3, 2, 1)


def test_the_names_of_streams_choose_their_topics() -> None:
    from hortus.flow.kafka.topics import StreamChoice

    names = TopicNames()
    assert names.chosen(StreamChoice.RAW) == ("raw", "hortus-dead-letter")
    assert names.chosen(StreamChoice.ALL) == ("raw", "aggregate", "media", "hortus-dead-letter")
