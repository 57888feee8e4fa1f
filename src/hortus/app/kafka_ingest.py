"""`hortus ingest --to kafka`: takes readings from an external broker to Kafka. Needs no database."""

from __future__ import annotations

import asyncio
import logging

from hortus.app.command_line.terminal import stop_requested
from hortus.app.ingest import INGEST_FILTERS
from hortus.app.kafka_access import wait_for_topics
from hortus.app.kafka_observation import MetricsAddress, observed
from hortus.app.memory import settle_memory
from hortus.base.settings import Settings
from hortus.flow.kafka.connection import kafka_connection
from hortus.flow.kafka.intake import KafkaIntake
from hortus.flow.kafka.topics import TopicNames
from hortus.protocol.mqtt.client import IngestClient
from hortus.protocol.mqtt.client.settings import broker_address, client_id
from hortus.protocol.mqtt.packets import Subscription

log = logging.getLogger(__name__)

_DRAIN_SECONDS = 10.0


async def run_kafka_ingest(settings: Settings, metrics: MetricsAddress | None = None) -> None:
    """Take readings in until SIGINT or SIGTERM, then finish what was begun."""
    connection = kafka_connection(settings)
    names = TopicNames.of(settings)
    address = broker_address(settings)
    stop = stop_requested()
    if not await wait_for_topics(connection, names.all, stop):
        return
    async with (
        KafkaIntake(connection, names) as intake,
        observed(metrics, intake),
        asyncio.TaskGroup() as group,
    ):
        client = IngestClient(
            address,
            client_id=client_id(settings, "ingest"),
            subscriptions=[Subscription(topic_filter=topic_filter, qos=1) for topic_filter in INGEST_FILTERS],
            intake=intake,
        )
        group.create_task(client.run())
        settle_memory()
        log.info("taking readings from %s to Kafka at %s", address, connection.bootstrap)
        await stop.wait()
        log.info("stopping: finishing what was received")
        await client.stop()
        await intake.stop(_DRAIN_SECONDS)
    log.info("stopped after %d messages", intake.metrics.messages)
