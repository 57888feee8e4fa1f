"""Metrics and health of the processes around Kafka."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime

import httpx
from kafka_world import Topics, sinking, until_committed

from hortus.app.observation import observation
from hortus.base.supervision import Supervisor
from hortus.flow.ingest.messages import NobodyWaits
from hortus.flow.kafka.flow import SinkFlow
from hortus.flow.kafka.intake import KafkaIntake
from hortus.flow.kafka.metrics import SinkMetrics
from hortus.flow.kafka.records import record_of
from hortus.http.monitoring.health import FlowWatch
from hortus.protocol.wire.codec import encode_raw_measurement
from hortus.protocol.wire.messages import RawMeasurement
from ingest_world import World, now_ms
from waiting import until


async def test_a_standstill_with_records_waiting_in_kafka_is_a_fault_until_they_are_stored(
    topics: Topics, world: World
) -> None:
    await world.connection.execute("ALTER TABLE raw_measurements RENAME TO away")
    record = record_of(topics.names, world.topic(), world.raw(), now_ms())
    topics.produce(record.topic, [record.value], key=record.key, headers=record.headers)
    async with sinking(topics, world.url) as (sink, pipeline):
        watched = SinkFlow(pipeline, sink)
        await until(lambda: watched.oldest_wait_seconds > 0.5, "the standstill")
        assert watched.open_messages == 1
        await world.connection.execute("ALTER TABLE away RENAME TO raw_measurements")
        await until(lambda: watched.oldest_wait_seconds == 0, "the end of it")


def test_the_counts_of_readers_add_up() -> None:
    first = SinkMetrics(consumed=3, paused=True)
    second = SinkMetrics(consumed=4, last_commit_at=9.0, went_back=2)
    total = SinkMetrics.total([first, second])
    assert (total.consumed, total.went_back, total.paused, total.last_commit_at) == (7, 2, True, 9.0)


async def test_an_ingester_that_waits_for_kafka_does_not_speak_of_a_database(topics: Topics) -> None:
    names = replace(topics.names, raw="nobody-made-this-topic")
    async with KafkaIntake(topics.connection, names) as intake:
        intake.offer(NobodyWaits(), 1, "kit/k-3b4c-6d7f-8g9h/measurement/raw", usual_reading())
        report = FlowWatch(intake, lambda: datetime.now(UTC), intake.trouble).look()
        late = replace(report, oldest_wait_seconds=31.0)
    assert late.sentence.startswith("A message has been waiting for Kafka for 31 s")
    assert "database" not in late.sentence


def usual_reading() -> bytes:
    return encode_raw_measurement(
        RawMeasurement(id=b"1" * 16, datetime_ms=now_ms(), peripheral=1, quantity_type=1, value=1.0)
    )


async def test_a_sink_tells_its_lag_and_its_counts(topics: Topics, world: World) -> None:
    payload = world.raw()
    record = record_of(topics.names, world.topic(), payload, now_ms())
    topics.produce(record.topic, [record.value] * 3, key=record.key, headers=record.headers)
    async with sinking(topics, world.url) as (sink, pipeline):
        await until_committed(topics, 3)
        app = observation(Supervisor(), SinkFlow(pipeline, sink), sink, lambda: datetime.now(UTC))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sink") as client:
            health = await client.get("/healthz")
            assert health.status_code == 200
            await until(lambda: sink.metrics.partitions == 15, "all partitions of all topics")
            health = await client.get("/healthz")
            assert health.json()["parts"]["flow"]["partitions"] == 15
            assert (await client.get("/readyz")).status_code == 200
            deadline = time.monotonic() + 30
            while f'hortus_sink_lag_records{{partition="0",topic="{topics.names.raw}"}} 0.0' not in (
                text := (await client.get("/metrics")).text
            ):
                assert time.monotonic() < deadline, text
    assert "hortus_sink_consumed_records_total 3.0" in text
    assert 'hortus_ingest_messages_total{outcome="duplicate",stream="raw"} 2.0' in text
    assert "hortus_sink_rebalances_total" in text
