"""From a transport to Kafka: which messages are settled, when, and what happens to the rest."""

from __future__ import annotations

import asyncio
import os
import signal
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from kafka_cluster import KafkaCluster
from kafka_proxy import KafkaProxy
from kafka_world import Topics

from hortus.flow.kafka.administration import KafkaAdministration
from hortus.flow.kafka.connection import KafkaConnection
from hortus.flow.kafka.intake import KafkaIntake, KafkaIntakeLimits
from hortus.flow.kafka.topics import TopicPlan
from hortus.protocol.wire.codec import decode_raw_measurement, encode_raw_measurement
from hortus.protocol.wire.limits import MEBIBYTE
from hortus.protocol.wire.messages import RawMeasurement
from ingest_world import RecordingSource
from programs import free_port
from waiting import PATIENCE_SECONDS, until

SERIAL = "k-3b4c-6d7f-8g9h"
RAW = f"kit/{SERIAL}/measurement/raw"
QUICK = KafkaIntakeLimits(retry_seconds=0.1, request_seconds=2.0)


def reading(value: float = 1.0) -> bytes:
    return encode_raw_measurement(
        RawMeasurement(
            id=uuid.uuid4().bytes, datetime_ms=1_780_000_000_000, peripheral=1, quantity_type=1, value=value
        )
    )


@asynccontextmanager
async def open_intake(topics: Topics, limits: KafkaIntakeLimits = QUICK) -> AsyncIterator[KafkaIntake]:
    async with KafkaIntake(topics.connection, topics.names, limits=limits) as intake:
        yield intake


def values(topics: Topics) -> list[float]:
    """Return the values of all readings in the topic, each partition in its order."""
    return [decode_raw_measurement(each.value() or b"").value for each in topics.records(topics.names.raw)]


async def test_a_reading_is_settled_when_kafka_has_it_with_its_serial_and_arrival(topics: Topics) -> None:
    source = RecordingSource()
    async with open_intake(topics) as intake:
        intake.offer(source, 7, RAW, reading(2.5))
        assert source.settled == []
        await until(lambda: source.settled == [7], "the acknowledgement")
    (record,) = topics.records(topics.names.raw)
    assert record.key() == SERIAL.encode()
    found = decode_raw_measurement(record.value() or b"")
    assert (found.kit_serial, found.value) == (SERIAL, 2.5)
    headers = dict(record.headers() or ())
    assert int(headers["received_at"] or 0) == record.timestamp()[1]


async def test_one_kits_readings_stay_in_order(topics: Topics) -> None:
    source = RecordingSource()
    async with open_intake(topics) as intake:
        for number in range(3000):
            intake.offer(source, number, RAW, reading(float(number)))
        assert await intake.stop(PATIENCE_SECONDS)
    assert values(topics) == [float(number) for number in range(3000)]
    assert sorted(source.settled) == list(range(3000))


async def test_what_cannot_be_decoded_goes_to_the_dead_letters_and_is_acknowledged(topics: Topics) -> None:
    source = RecordingSource()
    async with open_intake(topics) as intake:
        intake.offer(source, 1, RAW, b"\xff\x00rubbish")
        intake.offer(source, 2, RAW, b"x" * 3_000_000)
        intake.offer(source, 3, f"kit/{SERIAL}/elsewhere", b"!")
        intake.offer(source, 4, f"kit/{SERIAL}/measurement/aggregate", b"")
        intake.offer(source, 5, RAW, reading())
        assert await intake.stop(PATIENCE_SECONDS)
    assert sorted(source.settled) == [1, 2, 3, 4, 5]
    letters = {
        bytes(each.value() or b"")[:9]: dict(each.headers() or ())
        for each in topics.records(topics.names.dead_letter)
    }
    assert letters[b"\xff\x00rubbish"]["reason"] == b"undecodable"
    assert letters[b"\xff\x00rubbish"]["mqtt_topic"] == RAW.encode()
    assert letters[b"x" * 9]["reason"] == b"payload-too-large"
    assert letters[b"!"]["reason"] == b"topic-outside-contract"
    assert letters[b""]["reason"] == b"empty-payload"
    assert len(topics.records(topics.names.raw)) == 1


async def test_the_largest_media_message_of_the_contract_passes(topics: Topics) -> None:
    source = RecordingSource()
    picture = bytes(range(256)) * (64 * 4096)
    async with open_intake(topics) as intake:
        intake.offer(source, 1, f"kit/{SERIAL}/media", picture)
        assert await intake.stop(PATIENCE_SECONDS)
    assert source.settled == [1]


async def test_of_a_message_too_large_for_its_topic_the_beginning_is_a_dead_letter(
    topics: Topics, kafka: KafkaCluster
) -> None:
    # Neither the topic of media nor that of dead letters takes more than Kafka does by itself.
    small, dead_letter = f"{topics.names.media}-small", f"{topics.names.dead_letter}-small"
    KafkaAdministration(topics.connection).create(
        [
            TopicPlan(name=name, partitions=1, replication=1, in_sync_replicas=1, retention_ms=86_400_000)
            for name in (small, dead_letter)
        ]
    )
    names = type(topics.names)(raw=topics.names.raw, media=small, dead_letter=dead_letter)
    source = RecordingSource()
    picture, rubbish = os.urandom(3_000_000), os.urandom(2_000_000)
    async with KafkaIntake(topics.connection, names, limits=QUICK) as intake:
        intake.offer(source, 1, f"kit/{SERIAL}/media", picture)
        intake.offer(source, 2, f"kit/{SERIAL}/measurement/aggregate", rubbish)
        # Larger than anything that the library sends at all.
        intake.offer(source, 3, f"kit/{SERIAL}/media", bytes(66 * MEBIBYTE))
        intake.offer(source, 4, RAW, reading())
        assert await intake.stop(PATIENCE_SECONDS)
        assert intake.metrics.outcomes[("dead-letter", "media")] == 2
    assert sorted(source.settled) == [1, 2, 3, 4]
    letters = {bytes(each.value() or b""): dict(each.headers() or ()) for each in topics.records(dead_letter)}
    assert {head: letter["payload_bytes"] for head, letter in letters.items()} == {
        picture[:4096]: b"3000000",
        rubbish[:4096]: b"2000000",
        bytes(4096): b"%d" % (66 * MEBIBYTE),
    }
    assert {letter["reason"] for letter in letters.values()} == {b"payload-too-large"}
    assert b"cannot be replayed" in (letters[picture[:4096]]["detail"] or b"")


async def test_readings_that_are_only_together_too_large_for_a_topic_stay_whole(
    topics: Topics, kafka: KafkaCluster
) -> None:
    small = f"{topics.names.raw}-small"
    plan = TopicPlan(
        name=small,
        partitions=1,
        replication=1,
        in_sync_replicas=1,
        retention_ms=86_400_000,
        largest_record_bytes=2000,
    )
    KafkaAdministration(topics.connection).create([plan])
    names = type(topics.names)(raw=small, dead_letter=topics.names.dead_letter)
    source = RecordingSource()
    readings = {reading(float(number)) for number in range(500)}
    async with KafkaIntake(topics.connection, names, limits=QUICK) as intake:
        for number, payload in enumerate(readings):
            intake.offer(source, number, RAW, payload)
        assert await intake.stop(PATIENCE_SECONDS)
    assert sorted(source.settled) == list(range(500))
    letters = topics.records(topics.names.dead_letter)
    assert letters
    assert {bytes(each.value() or b"") for each in letters} <= readings
    assert not any("payload_bytes" in dict(each.headers() or ()) for each in letters)
    assert len(letters) + len(topics.records(small)) == 500


async def test_the_beginning_of_a_message_that_no_transport_took_in_is_a_dead_letter(topics: Topics) -> None:
    source = RecordingSource()
    async with open_intake(topics) as intake:
        intake.offer_head(source, 1, f"kit/{SERIAL}/media", b"the beginning", 200_000_000)
        assert await intake.stop(PATIENCE_SECONDS)
    assert source.settled == [1]
    (letter,) = topics.records(topics.names.dead_letter)
    headers = dict(letter.headers() or ())
    assert (letter.key(), letter.value()) == (SERIAL.encode(), b"the beginning")
    assert (headers["reason"], headers["payload_bytes"]) == (b"payload-too-large", b"200000000")


async def test_a_topic_that_does_not_exist_holds_its_messages_until_it_does(
    topics: Topics, kafka: KafkaCluster
) -> None:
    late = f"{topics.names.raw}-late"
    names = type(topics.names)(raw=late, dead_letter=topics.names.dead_letter)
    source = RecordingSource()
    async with KafkaIntake(topics.connection, names, limits=QUICK) as intake:
        intake.offer(source, 1, RAW, reading())
        await until(lambda: intake.metrics.failed_attempts > 0, "the failure")
        assert source.settled == []
        plan = TopicPlan(name=late, partitions=1, replication=1, in_sync_replicas=1, retention_ms=86_400_000)
        KafkaAdministration(topics.connection).create([plan])
        await until(lambda: source.settled == [1], "the acknowledgement")


async def test_a_topic_that_is_made_again_with_fewer_partitions_gets_all_that_comes_then(
    topics: Topics,
) -> None:
    source = RecordingSource()
    async with open_intake(topics) as intake:
        for number in range(40):
            intake.offer(source, number, f"kit/{number}/measurement/raw", reading(float(number)))
        await until(lambda: len(source.settled) == 40, "all acknowledgements")
        assert len({each.partition() for each in topics.records(topics.names.raw)}) == 4
        await asyncio.to_thread(topics.make_again, topics.names.raw, 1)
        for number in range(40, 80):
            intake.offer(source, number, f"kit/{number - 40}/measurement/raw", reading(float(number)))
        await until(lambda: len(source.settled) == 80, "all acknowledgements")
    assert sorted(values(topics)) == [float(number) for number in range(40, 80)]


async def test_while_kafka_is_away_nothing_is_settled_memory_is_bounded_and_then_all_is(
    topics: Topics, kafka: KafkaCluster
) -> None:
    source = RecordingSource()
    limits = KafkaIntakeLimits(waiting_messages=200, retry_seconds=0.1, request_seconds=1.0)
    relieved: list[bool] = []
    async with open_intake(topics, limits) as intake:
        intake.offer(source, 0, RAW, reading())
        await until(lambda: source.settled == [0])
        kafka.nodes[0].send_signal(signal.SIGSTOP)
        try:
            for number in range(1, 301):
                intake.offer(source, number, RAW, reading())
            assert intake.saturated
            intake.when_relieved(lambda: relieved.append(True))
            assert not await intake.stop(0.5)
            assert source.settled == [0]
            assert intake.oldest_wait_seconds > 0
        finally:
            kafka.nodes[0].send_signal(signal.SIGCONT)
        assert await intake.stop(PATIENCE_SECONDS)
        assert relieved == [True]
        assert not intake.saturated
    assert sorted(source.settled) == list(range(301))
    assert {decode_raw_measurement(each.value() or b"").id for each in topics.records(topics.names.raw)}


async def test_a_producer_that_cannot_go_on_is_replaced_and_nothing_is_lost(topics: Topics) -> None:
    source = RecordingSource()
    async with open_intake(topics) as intake:
        for number in range(2000):
            intake.offer(source, number, RAW, reading(float(number)))
            if number in {700, 1400}:
                intake._replace_producer()
        assert await intake.stop(PATIENCE_SECONDS)
    assert sorted(source.settled) == list(range(2000))
    assert set(values(topics)) == {float(number) for number in range(2000)}


async def test_without_any_broker_messages_wait_and_it_is_told(topics: Topics) -> None:
    nowhere = KafkaConnection(bootstrap=f"127.0.0.1:{free_port()}")
    source = RecordingSource()
    async with KafkaIntake(nowhere, topics.names, limits=QUICK) as intake:
        intake.offer(source, 1, RAW, reading())
        await until(lambda: intake.brokers.down, "the report that nobody answers")
        assert not await intake.stop(0.1)
    assert source.settled == []


@asynccontextmanager
async def open_intake_through_proxy(
    topics: Topics, kafka: KafkaCluster, limits: KafkaIntakeLimits
) -> AsyncIterator[tuple[KafkaIntake, KafkaProxy]]:
    (node,) = kafka.nodes
    async with KafkaProxy(node.port, topics.names.raw).running() as proxy:
        connection = KafkaConnection(bootstrap=proxy.bootstrap)
        async with open_intake(replace(topics, connection=connection), limits) as intake:
            yield intake, proxy


async def test_a_record_that_failed_while_a_later_one_was_written_is_not_taken_for_written(
    topics: Topics, kafka: KafkaCluster
) -> None:
    source = RecordingSource()
    limits = replace(QUICK, requests_in_flight=5)
    async with open_intake_through_proxy(topics, kafka, limits) as (intake, proxy):
        proxy.fail_overtaken = True
        intake.offer(source, 1, RAW, reading(1.0))
        await until(lambda: proxy.held, "the request with the first reading")
        intake.offer(source, 2, RAW, reading(2.0))
        await until(lambda: sorted(source.settled) == [1, 2], "both acknowledgements")
    assert set(values(topics)) == {1.0, 2.0}


async def test_after_an_error_that_the_library_cannot_recover_from_records_are_written_by_another_producer(
    topics: Topics, kafka: KafkaCluster
) -> None:
    source = RecordingSource()
    limits = replace(QUICK, requests_in_flight=5)
    async with open_intake_through_proxy(topics, kafka, limits) as (intake, proxy):
        proxy.swallow = True
        intake.offer(source, 1, RAW, reading(1.0))
        await until(lambda: not proxy.swallow, "the request with the first reading")
        intake.offer(source, 2, RAW, reading(2.0))  # becomes the first of the partition, and the other too old
        await until(lambda: sorted(source.settled) == [1, 2], "both acknowledgements")
    assert set(values(topics)) == {1.0, 2.0}


async def test_readings_of_a_kit_stay_in_order_when_the_first_of_them_fails(
    topics: Topics, kafka: KafkaCluster
) -> None:
    source = RecordingSource()
    async with open_intake_through_proxy(topics, kafka, QUICK) as (intake, proxy):
        proxy.swallow = True
        intake.offer(source, 1, RAW, reading(1.0))
        await until(lambda: not proxy.swallow, "the request with the first reading")
        for number in range(2, 10):
            intake.offer(source, number, RAW, reading(float(number)))
        await until(lambda: len(source.settled) == 9, "all acknowledgements")
    assert values(topics) == [float(number) for number in range(1, 10)]
