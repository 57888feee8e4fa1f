"""`hortus ingest`: takes readings from an external broker to the database."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from hortus.app.database_wait import wait_for_current_database
from hortus.app.kafka_observation import MetricsAddress, observed
from hortus.command_line import stop_requested
from hortus.database.engine import connector, open_engine
from hortus.database.url import DatabaseUrl
from hortus.errors import UsageError
from hortus.ingest.pipeline import IngestLimits, IngestPipeline
from hortus.kits.announcements import follow_announcements
from hortus.kits.registry import KitRegistry
from hortus.mqtt.client import ClientLimits, IngestClient
from hortus.mqtt.client.settings import broker_address, client_id
from hortus.mqtt.packets import Subscription
from hortus.settings import Settings

log = logging.getLogger(__name__)

SHARED_GROUP = "hortus"
"""All ingesters share one subscription, so each reading goes to one of them."""

# QoS 1 for all three: a redelivery has no effect (P2), so the second handshake of QoS 2 would buy nothing.
INGEST_FILTERS = tuple(
    f"$share/{SHARED_GROUP}/kit/+/{channel}"
    for channel in ("measurement/raw", "measurement/aggregate", "media")
)

_DRAIN_SECONDS = 10.0

# Mosquitto forgets shared subscriptions when it ends. Until an ingester is back, it acknowledges readings and
# throws them away (docs/guarantees.md), so ingesters have to be there before the kits, which wait 1 s at least.
_CLIENT_LIMITS = ClientLimits(reconnect_first_seconds=0.1, reconnect_most_seconds=0.5)


async def run_ingest(settings: Settings, metrics: MetricsAddress | None = None) -> None:
    """Take readings in until SIGINT or SIGTERM, then finish what was begun."""
    if settings.database_url is None:
        raise UsageError("Set DATABASE_URL to the PostgreSQL that readings go to.")
    url = DatabaseUrl.parse(settings.database_url.get_secret_value())
    address = broker_address(settings)
    stop = stop_requested()
    async with open_engine(url) as engine:
        waiting = asyncio.ensure_future(wait_for_current_database(engine, url))
        stopped = asyncio.ensure_future(stop.wait())
        await asyncio.wait({waiting, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not waiting.done():
            waiting.cancel()
            return
        waiting.result()
    registry = KitRegistry()
    limits = IngestLimits(clock_tolerance_ms=settings.clock_tolerance_seconds * 1000)
    pipeline = IngestPipeline(connector(url, "hortus ingest"), registry, limits=limits)
    client = IngestClient(
        address,
        client_id=client_id(settings, "ingest"),
        subscriptions=[Subscription(topic_filter=topic_filter, qos=1) for topic_filter in INGEST_FILTERS],
        intake=pipeline,
        limits=_CLIENT_LIMITS,
    )
    async with observed(metrics, pipeline), asyncio.TaskGroup() as group:
        working = group.create_task(pipeline.run())
        group.create_task(client.run())
        attendants = [
            group.create_task(follow_announcements(connector(url, "hortus announcements"), [registry.changed])),
        ]
        log.info("taking readings from %s to %s", address, url.redacted())
        await stop.wait()
        log.info("stopping: finishing what was received")
        await client.stop()
        await pipeline.stop(_DRAIN_SECONDS)
        for attendant in attendants:
            attendant.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working
    log.info("stopped after %d messages", pipeline.metrics.messages)
