"""The harness of the Kafka tests: what it writes is in Kafka, and what it makes is known to all brokers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from kafka_lag import lagging_kafka
from kafka_world import Topics, make_topics

from hortus.flow.kafka.connection import KafkaConnection
from waiting import until


def test_records_that_kafka_does_not_have_fail_the_test(topics: Topics) -> None:
    with pytest.raises(AssertionError, match=r"2 records are not in Kafka: .*Unknown partition"):
        topics.produce(topics.names.raw, [b"one", b"two"], partition=99)


@pytest.mark.slow
async def test_a_topic_is_known_anew_when_the_last_broker_knows_it(tmp_path: Path) -> None:
    async with lagging_kafka(tmp_path) as kafka:
        connection = KafkaConnection(bootstrap=kafka.cluster.bootstrap)
        topics = await asyncio.to_thread(make_topics, connection, "lags")
        raw = topics.names.raw

        def is_known_since(before: set[str | None]) -> bool:
            return topics.is_known_anew(raw, before)

        await until(lambda: asyncio.to_thread(is_known_since, set()), "both brokers know the topic")
        before = await asyncio.to_thread(topics.ids_at_brokers, raw)
        kafka.link.hold()
        await asyncio.to_thread(kafka.make_again, raw, [1])
        assert not await asyncio.to_thread(is_known_since, before)
        kafka.link.release()
        await until(lambda: asyncio.to_thread(is_known_since, before), "both brokers know the new topic")
