"""`hortus ingest`: moves readings from an external broker to the database, or to Kafka without a database."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from enum import StrEnum
from typing import Annotated

import typer

from hortus.app.assembly import make_pipeline
from hortus.app.command_line.terminal import configure_logging, run, stop_requested
from hortus.app.observation import (
    MetricsAddress,
    MetricsHostOption,
    MetricsPortOption,
    metrics_address,
    observed,
)
from hortus.app.resources import settle_memory
from hortus.app.supervision import process_supervisor, start_following_kits, start_listening_record
from hortus.app.waiting import before_stop, wait_for_current_database, wait_for_topics
from hortus.base.database.engine import open_engine
from hortus.base.database.url import DatabaseUrl
from hortus.base.errors import UsageError
from hortus.base.settings import Settings, read_settings
from hortus.domain.kits.registry import KitRegistry
from hortus.domain.media.place import open_media_objects
from hortus.flow.broker.gate import GatePart, KitGate
from hortus.flow.ingest.pipeline import MediaIntake
from hortus.flow.kafka.connection import kafka_connection
from hortus.flow.kafka.intake import KafkaIntake
from hortus.flow.kafka.topics import TopicNames
from hortus.protocol.mqtt.client import ClientLimits, IngestClient
from hortus.protocol.mqtt.client.settings import broker_address, client_id
from hortus.protocol.mqtt.packets import Subscription
from hortus.protocol.wire.limits import MEBIBYTE

log = logging.getLogger(__name__)

SHARED_GROUP = "hortus"
"""All ingesters share one subscription, so each reading goes to one of them."""

# QoS 1 for all three: a redelivery has no effect (P2), so the second handshake of QoS 2 would gain nothing.
READING_FILTERS = tuple(
    f"$share/{SHARED_GROUP}/kit/+/{channel}" for channel in ("measurement/raw", "measurement/aggregate")
)

# Media have a separate connection: if they shared one with the readings, a picture of 64 MiB would delay them,
# and while the media store is unavailable, everything behind the first picture would wait.
MEDIA_FILTER = f"$share/{SHARED_GROUP}/kit/+/media"

INGEST_FILTERS = (*READING_FILTERS, MEDIA_FILTER)

# The clients have waited for their messages, and are disconnected: what is stored later is not acknowledged.
_DRAIN_SECONDS = 0.5

# Mosquitto loses shared subscriptions when it ends, and lets kits in only when an ingester is back. (Without
# the plugin that keeps them out, it acknowledges readings and discards them: docs/guarantees.md.)
_CLIENT_LIMITS = ClientLimits(reconnect_first_seconds=0.1, reconnect_most_seconds=0.5, drain_seconds=8.0)

_MEDIA_CLIENT_LIMITS = replace(_CLIENT_LIMITS, receive_maximum=8, max_open_bytes=32 * MEBIBYTE)


class IngestTarget(StrEnum):
    """The destination of the readings."""

    DATABASE = "database"
    KAFKA = "kafka"


def ingest(
    to: Annotated[IngestTarget, typer.Option("--to", help="Where readings go.")] = IngestTarget.DATABASE,
    metrics_port: MetricsPortOption = None,
    metrics_host: MetricsHostOption = "127.0.0.1",
) -> None:
    """Move readings from an external MQTT broker (MQTT_HOST, …) to the database (DATABASE_URL) or to Kafka."""
    settings = read_settings()
    configure_logging(settings.log_level)
    metrics = metrics_address(metrics_host, metrics_port)
    run(run_kafka_ingest(settings, metrics) if to is IngestTarget.KAFKA else run_ingest(settings, metrics))


async def run_ingest(settings: Settings, metrics: MetricsAddress | None = None) -> None:
    """Ingest readings until SIGINT or SIGTERM, then finish work in progress."""
    if settings.database_url is None:
        raise UsageError("Set DATABASE_URL to the PostgreSQL that readings go to.")
    url = DatabaseUrl.parse(settings.database_url.get_secret_value())
    address = broker_address(settings)
    stop = stop_requested()
    async with open_engine(url) as engine:
        waiting = asyncio.ensure_future(wait_for_current_database(engine, url))
        if not await before_stop(waiting, stop):
            return
        waiting.result()
    registry = KitRegistry()
    pipeline = make_pipeline(settings, url, registry, open_media_objects(settings), "hortus ingest")
    client = IngestClient(
        address,
        client_id=client_id(settings, "ingest"),
        subscriptions=[Subscription(topic_filter=topic_filter, qos=1) for topic_filter in READING_FILTERS],
        intake=pipeline,
        limits=_CLIENT_LIMITS,
    )
    media_client = IngestClient(
        address,
        client_id=f"{client_id(settings, 'ingest')}-media",
        subscriptions=[Subscription(topic_filter=MEDIA_FILTER, qos=1)],
        intake=MediaIntake(pipeline),
        limits=_MEDIA_CLIENT_LIMITS,
    )
    gate, media_gate = KitGate(client, [GatePart.READINGS]), KitGate(media_client, [GatePart.MEDIA])
    async with process_supervisor() as supervisor, observed(metrics, supervisor, pipeline, gate=gate):
        supervisor.start("storing", pipeline.run, may_end=True)
        supervisor.start("broker", client.run, may_end=True)
        supervisor.start("broker-media", media_client.run, may_end=True)
        supervisor.start("kit-gate", gate.run)
        supervisor.start("kit-gate-media", media_gate.run)
        start_following_kits(supervisor, url, [registry.changed])
        start_listening_record(supervisor, url, lambda: client.connected)
        settle_memory()
        log.info("taking readings from %s to %s", address, url.redacted())
        await stop.wait()
        log.info("stopping: finishing the received messages")
        await asyncio.gather(client.stop(), media_client.stop())
        await pipeline.stop(_DRAIN_SECONDS)
    log.info("stopped after %d messages", pipeline.metrics.messages)


async def run_kafka_ingest(settings: Settings, metrics: MetricsAddress | None = None) -> None:
    """Ingest readings until SIGINT or SIGTERM, then finish work in progress."""
    connection = kafka_connection(settings)
    names = TopicNames.of(settings)
    address = broker_address(settings)
    stop = stop_requested()
    if not await wait_for_topics(connection, names.all, stop):
        return
    async with KafkaIntake(connection, names) as intake, process_supervisor() as supervisor:
        client = IngestClient(
            address,
            client_id=client_id(settings, "ingest"),
            subscriptions=[Subscription(topic_filter=topic_filter, qos=1) for topic_filter in INGEST_FILTERS],
            intake=intake,
            limits=_CLIENT_LIMITS,
        )
        gate = KitGate(client, [GatePart.READINGS, GatePart.MEDIA])
        async with observed(metrics, supervisor, intake, gate=gate, trouble=intake.trouble):
            supervisor.start("broker", client.run, may_end=True)
            supervisor.start("kit-gate", gate.run)
            settle_memory()
            log.info("taking readings from %s to Kafka at %s", address, connection.bootstrap)
            await stop.wait()
            log.info("stopping: finishing the received messages")
            await client.stop()
            await intake.stop(_DRAIN_SECONDS)
    log.info("stopped after %d messages", intake.metrics.messages)
