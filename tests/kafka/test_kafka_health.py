"""What a sink says of itself while Kafka is away, hangs, or has changed: asked of Kafka, not remembered."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Iterator
from dataclasses import replace

import pytest
from confluent_kafka.admin import AdminClient, NewPartitions
from kafka_cluster import KafkaCluster
from kafka_proxy import KafkaProxy
from kafka_world import QUICK, Topics, make_topics, sinking, until_committed, until_rows
from test_kafka_sink import write_readings

from hortus.flow.kafka.connection import KafkaConnection
from hortus.flow.kafka.flow import SinkFlow
from ingest_world import World
from programs import free_port
from waiting import until, wait_until

UNREACHABLE = "no Kafka broker can be reached"


@pytest.fixture
def own_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """A node that a test may stop."""
    cluster = KafkaCluster(tmp_path_factory.mktemp("kafka-health"))
    yield cluster
    cluster.stop(signal.SIGKILL)


def through(topics: Topics, proxy: KafkaProxy) -> Topics:
    return replace(topics, connection=KafkaConnection(bootstrap=proxy.bootstrap))


async def test_a_kafka_that_hangs_is_noticed_and_its_return_as_well(
    own_kafka: KafkaCluster, world: World
) -> None:
    topics = await asyncio.to_thread(make_topics, KafkaConnection(bootstrap=own_kafka.bootstrap), "hangs")
    write_readings(topics, world, 50)
    async with sinking(topics, world.url) as (sink, pipeline):
        await until_committed(topics, 50)
        await until(lambda: sink.metrics.fault is None and sink.metrics.standstill_since is None, "health")
        own_kafka.nodes[0].send_signal(signal.SIGSTOP)
        try:
            await until(lambda: sink.metrics.fault and sink.metrics.standstill_since is not None, "the fault")
            flow = SinkFlow(pipeline, sink)
            assert "Kafka does not answer" in flow.trouble(31)
            assert "database" not in flow.trouble(31)
        finally:
            own_kafka.nodes[0].send_signal(signal.SIGCONT)
        await until(lambda: sink.metrics.fault is None and sink.metrics.standstill_since is None, "its return")
        write_readings(topics, world, 50)
        await until_rows(world.connection, 100)


async def test_packets_that_get_lost_are_noticed(kafka: KafkaCluster, topics: Topics, world: World) -> None:
    async with (
        KafkaProxy(kafka.nodes[0].port, topics.names.raw).running() as proxy,
        sinking(through(topics, proxy), world.url) as (sink, _),
    ):
        await until(lambda: sink.metrics.partitions == 15 and sink.metrics.fault is None, "health")
        proxy.swallow_all = True
        await until(lambda: sink.metrics.fault and sink.metrics.standstill_since is not None, "the fault")
        proxy.swallow_all = False
        await until(lambda: sink.metrics.fault is None, "the end of it")


async def test_addresses_that_cannot_be_reached_are_a_fault_that_is_told_once(
    kafka: KafkaCluster, topics: Topics, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    proxied = KafkaProxy(kafka.nodes[0].port, topics.names.raw, advertised_port=free_port())
    async with (
        proxied.running() as proxy,
        sinking(through(topics, proxy), world.url) as (sink, _),
    ):
        await until(lambda: sink.metrics.fault and sink.metrics.standstill_since is not None, "the fault")
        before = sink.metrics.standstill_since
        await until(lambda: UNREACHABLE in caplog.text, "the line in the log")
        await until(lambda: "Connection refused" in (sink.metrics.fault or ""), "the reason")
        assert sink.metrics.standstill_since == before
    told = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len([record for record in told if UNREACHABLE in record.getMessage()]) == 1
    assert len(told) < 10


async def test_a_topic_that_is_deleted_is_a_fault(topics: Topics, world: World) -> None:
    async with sinking(topics, world.url) as (sink, _):
        await until(lambda: sink.metrics.partitions == 15 and sink.metrics.fault is None, "health")
        admin = AdminClient({"bootstrap.servers": topics.connection.bootstrap})
        await asyncio.to_thread(admin.delete_topics([topics.names.raw])[topics.names.raw].result)
        await until(lambda: topics.names.raw in (sink.metrics.fault or ""), "the fault")
        assert "hortus kafka topics create" in (sink.metrics.fault or "")
        assert sink.metrics.standstill_since is not None


def has_six_partitions(admin: AdminClient, topics: Topics) -> bool:
    return len(admin.list_topics(topics.names.raw, timeout=5).topics[topics.names.raw].partitions) == 6


async def test_partitions_that_are_added_count_at_once_and_are_read_soon(topics: Topics, world: World) -> None:
    async with sinking(topics, world.url) as (sink, _):
        await until(lambda: sink.metrics.partitions == 15 and sink.metrics.fault is None, "health")
        admin = AdminClient({"bootstrap.servers": topics.connection.bootstrap})
        wanted = [NewPartitions(topics.names.raw, 6)]
        await asyncio.to_thread(admin.create_partitions(wanted)[topics.names.raw].result)
        await asyncio.to_thread(wait_until, lambda: has_six_partitions(admin, topics), "the new partitions")
        record = world.raw()
        topics.produce(topics.names.raw, [record], key=world.kit.serial, partition=5)
        await until(lambda: sink.metrics.lag.get((topics.names.raw, 5)) == 1, "the lag")
        await until_rows(world.connection, 1)
        await until(lambda: sink.metrics.lag.get((topics.names.raw, 5)) == 0, "the end of it")


async def test_the_lag_grows_while_partitions_are_paused(topics: Topics, world: World) -> None:
    await world.connection.execute("ALTER TABLE raw_measurements RENAME TO away")
    write_readings(topics, world, 3000, kits=8)
    async with sinking(topics, world.url) as (sink, _):
        await until(lambda: sink.metrics.paused, "the pause")
        write_readings(topics, world, 2000, kits=8)
        await until(lambda: sink.metrics.total_lag == 5000, "the lag")
        await until(lambda: sink.metrics.standstill_since is not None, "the standstill")
        await world.connection.execute("ALTER TABLE away RENAME TO raw_measurements")
        await until(lambda: sink.metrics.total_lag == 0, "the end of it")


async def test_a_sink_ends_although_kafka_hangs_and_says_that_it_did_not_commit(
    own_kafka: KafkaCluster, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    topics = await asyncio.to_thread(make_topics, KafkaConnection(bootstrap=own_kafka.bootstrap), "leaving")
    write_readings(topics, world, 50)
    never = replace(QUICK, commit_seconds=3600.0)
    try:
        async with sinking(topics, world.url, limits=never) as (sink, _):
            await until_rows(world.connection, 50)
            own_kafka.nodes[0].send_signal(signal.SIGSTOP)
        assert not sink.has_committed
    finally:
        own_kafka.nodes[0].send_signal(signal.SIGCONT)
    assert "offsets were not committed" in caplog.text


@pytest.mark.slow
async def test_one_hanging_node_of_three_stops_no_partition_for_good(
    tmp_path_factory: pytest.TempPathFactory, world: World
) -> None:
    cluster = KafkaCluster(tmp_path_factory.mktemp("one-hangs"), nodes=3)
    try:
        connection = KafkaConnection(bootstrap=cluster.bootstrap)
        topics = await asyncio.to_thread(make_topics, connection, "one-hangs", replication=3)
        async with sinking(topics, world.url) as (sink, _):
            await until(lambda: sink.metrics.partitions == 15 and sink.metrics.fault is None, "health")
            cluster.nodes[1].send_signal(signal.SIGSTOP)
            await asyncio.to_thread(write_readings, topics, world, 2000, 8)
            await until_rows(world.connection, 2000)
            await until(lambda: sink.metrics.total_lag == 0 and sink.metrics.fault is None, "health without it")
            cluster.nodes[1].send_signal(signal.SIGCONT)
            await asyncio.to_thread(write_readings, topics, world, 500, 8)
            await until_rows(world.connection, 2500)
    finally:
        cluster.stop(signal.SIGKILL)
