"""The log of a partition goes back: its topic is made again, or a copy that lacks records takes the lead."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from kafka_cluster import KafkaCluster
from kafka_lag import lagging_kafka
from kafka_world import Topics, make_topics, sinking, until_committed, until_rows
from test_kafka_sink import write_readings

from hortus.flow.kafka.connection import KafkaConnection
from hortus.flow.kafka.records import record_of
from ingest_world import World, now_ms
from waiting import until, wait_until

MADE_AGAIN = "was deleted and made again"
WENT_BACK = "a copy that lacks records becomes the leader"


async def until_offset(topics: Topics, offset: int) -> None:
    """Wait until the group has committed this offset, whether it comes from below or from above."""

    async def is_committed() -> bool:
        return await asyncio.to_thread(topics.committed) == offset

    await until(is_committed, f"the offset {offset} is committed")


@pytest.mark.parametrize("later", [100, 900], ids=["fewer", "more"])
async def test_a_topic_that_is_made_again_while_it_is_read_is_read_from_its_beginning(
    topics: Topics, world: World, caplog: pytest.LogCaptureFixture, later: int
) -> None:
    write_readings(topics, world, 300, kits=1)
    async with sinking(topics, world.url) as (sink, _):
        await until_committed(topics, 300)
        await asyncio.to_thread(topics.make_again, topics.names.raw)
        await asyncio.to_thread(write_readings, topics, world, later)
        await until_rows(world.connection, 300 + later)
        await until(lambda: MADE_AGAIN in caplog.text, "the explanation")
        await until(lambda: not sink.metrics.total_lag and sink.metrics.partitions == 15, "all of it read")
        await until_offset(topics, later)
    assert caplog.text.count(MADE_AGAIN) == 1
    assert WENT_BACK not in caplog.text
    assert sink.metrics.missed == 0


async def test_a_topic_that_was_made_again_while_no_sink_ran_is_read_from_its_beginning(
    topics: Topics, world: World
) -> None:
    write_readings(topics, world, 300)
    async with sinking(topics, world.url):
        await until_committed(topics, 300)
    await asyncio.to_thread(topics.make_again, topics.names.raw)
    write_readings(topics, world, 900)
    async with sinking(topics, world.url):
        await until_rows(world.connection, 1200)
        await until_offset(topics, 900)


async def test_an_offset_that_was_committed_for_the_topic_of_another_id_is_not_believed(
    topics: Topics, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    from confluent_kafka import Consumer

    from hortus.flow.kafka.position import Position, to_commit

    write_readings(topics, world, 900)
    partition = topics.records(topics.names.raw)[0].partition() or 0
    consumer = Consumer({"bootstrap.servers": topics.connection.bootstrap, "group.id": topics.group})
    stale = to_commit((topics.names.raw, partition), Position(300, "cGxhbnRzIGFyZSBub3QgcA", 0))
    consumer.commit(offsets=[stale], asynchronous=False)
    consumer.close()
    async with sinking(topics, world.url):
        await until_rows(world.connection, 900)
    assert "is of a topic that was deleted" in caplog.text


@pytest.mark.slow
async def test_a_broker_that_lags_does_not_have_a_topic_that_was_made_again_read_again_and_again(
    tmp_path: Path, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    async with lagging_kafka(tmp_path) as kafka:
        connection = KafkaConnection(bootstrap=kafka.cluster.bootstrap)
        topics = await asyncio.to_thread(make_topics, connection, "lags")
        raw = topics.names.raw
        await asyncio.to_thread(topics.make_again, raw, 4, replica_assignment=[[1]] * 4)
        await asyncio.to_thread(write_readings, topics, world, 300)
        async with sinking(topics, world.url) as (sink, _):
            await until_committed(topics, 300)
            await until(lambda: sink.metrics.partitions == 15 and sink.metrics.fault is None, "health")
            kafka.link.hold()
            await asyncio.to_thread(kafka.make_again, raw, [1])
            later = [record_of(topics.names, world.topic(), world.raw(), now_ms()).value for _ in range(100)]
            # Not to any other: whether there is one depends on which broker is asked.
            await asyncio.to_thread(topics.produce, raw, later, partition=0)
            await until(lambda: "do not agree" in (sink.metrics.fault or ""), "the dispute")
            assert sink.metrics.standstill_since is not None
            await until_rows(world.connection, 400)
            await until(lambda: MADE_AGAIN in caplog.text, "the explanation")
            kafka.link.release()
            await until(lambda: sink.metrics.fault is None and not sink.metrics.total_lag, "health again")
            await until_offset(topics, 100)
            await until(lambda: sink.metrics.standstill_since is None, "progress")
    assert caplog.text.count(MADE_AGAIN) == 1


@pytest.fixture(scope="module")
def three_brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    cluster = KafkaCluster(tmp_path_factory.mktemp("unclean"), nodes=3)
    yield cluster
    cluster.stop(signal.SIGKILL)


def make_unclean(topics: Topics, leader: int, follower: int) -> None:
    """Make the topic of readings again: with one partition, and leaders that may lack records."""
    settings = {"unclean.leader.election.enable": "true", "min.insync.replicas": "1"}
    topics.make_again(topics.names.raw, 1, replica_assignment=[[leader, follower]], config=settings)


def leader_of(topics: Topics) -> int:
    admin = AdminClient({"bootstrap.servers": topics.connection.bootstrap})
    return admin.list_topics(topics.names.raw, timeout=5).topics[topics.names.raw].partitions[0].leader


@pytest.mark.slow
@pytest.mark.parametrize("is_running", [True, False], ids=["reading", "stopped"])
async def test_a_leader_that_lacks_records_is_read_from_where_it_differs(
    three_brokers: KafkaCluster, world: World, caplog: pytest.LogCaptureFixture, is_running: bool
) -> None:
    connection = KafkaConnection(bootstrap=three_brokers.bootstrap)
    topics = await asyncio.to_thread(make_topics, connection, f"unclean-{is_running}", replication=3)
    await asyncio.to_thread(make_unclean, topics, 1, 2)
    write_readings(topics, world, 100)
    old, behind = three_brokers.nodes[:2]
    try:
        async with sinking(topics, world.url) as (sink, _):
            await until_committed(topics, 100)
            behind.stop(signal.SIGKILL)
            await asyncio.to_thread(write_readings, topics, world, 200)
            await until_committed(topics, 300)
            if is_running:
                await asyncio.to_thread(change_leader, three_brokers, topics)
                await asyncio.to_thread(write_readings, topics, world, 500)
                await until_rows(world.connection, 800)
                await until_offset(topics, 600)
                await until(lambda: WENT_BACK in caplog.text, "the explanation")
                await until(lambda: sink.metrics.fault is None and not sink.metrics.total_lag, "health")
        if not is_running:
            await asyncio.to_thread(change_leader, three_brokers, topics)
            await asyncio.to_thread(write_readings, topics, world, 500)
            async with sinking(topics, world.url):
                await until_rows(world.connection, 800)
                await until_offset(topics, 600)
    finally:
        if stopped := [node for node in (old, behind) if not node.running]:
            await asyncio.to_thread(three_brokers.start, stopped)


def change_leader(cluster: KafkaCluster, topics: Topics) -> None:
    """Kill the leader, and bring back the copy that lacks what was written meanwhile."""
    old, behind = cluster.nodes[:2]
    old.stop(signal.SIGKILL)
    cluster.start([behind])
    wait_until(lambda: leader_of(topics) == behind.number, "the leader that lacks records")
