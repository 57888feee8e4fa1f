"""`hortus rpc`: RPC with kits through an external broker, in both directions."""

from __future__ import annotations

import asyncio
import logging

from hortus.app.command_line.terminal import configure_logging, run, stop_requested
from hortus.app.kit_rpc import ANSWER_TOPICS, REQUEST_TOPICS, BrokerTransport, KitRpc
from hortus.app.observation import (
    MetricsAddress,
    MetricsHostOption,
    MetricsPortOption,
    metrics_address,
    observed,
)
from hortus.app.supervision import process_supervisor, task_connector
from hortus.app.waiting import wait_for_current_database
from hortus.base.database.engine import TASK_STATEMENT_SECONDS, open_engine
from hortus.base.database.url import DatabaseUrl
from hortus.base.errors import UsageError
from hortus.base.settings import Settings, read_settings
from hortus.domain.presence.keeper import PresenceKeeper
from hortus.protocol.mqtt.client import MqttClient
from hortus.protocol.mqtt.client.settings import broker_address, client_id

log = logging.getLogger(__name__)

# Shared, so that with several of these processes each request is answered, and each answer recorded, only once.
SHARE = "$share/hortus-rpc/"


def rpc(metrics_port: MetricsPortOption = None, metrics_host: MetricsHostOption = "127.0.0.1") -> None:
    """Answer kits' questions and send them commands through an external MQTT broker."""
    settings = read_settings()
    configure_logging(settings.log_level)
    run(run_rpc(settings, metrics_address(metrics_host, metrics_port)))


async def run_rpc(settings: Settings, metrics: MetricsAddress | None = None) -> None:
    """Answer kits and send them commands until SIGINT or SIGTERM."""
    if settings.database_url is None:
        raise UsageError("Set DATABASE_URL to the PostgreSQL that holds kits and their configurations.")
    url = DatabaseUrl.parse(settings.database_url.get_secret_value())
    address = broker_address(settings)
    stop = stop_requested()
    async with (
        open_engine(url, statement_seconds=TASK_STATEMENT_SECONDS) as engine,
        process_supervisor() as supervisor,
        observed(metrics, supervisor),
        asyncio.TaskGroup() as group,
    ):
        client = MqttClient(address, client_id=client_id(settings, "rpc"))
        kit_rpc = KitRpc(
            engine,
            task_connector(url, "hortus rpc"),
            BrokerTransport(client),
            client.publish,
            PresenceKeeper(engine),
            kit_seconds=settings.kit_answer_seconds,
        )
        client.subscribe(SHARE + REQUEST_TOPICS, kit_rpc.responder.request_arrived)
        client.subscribe(SHARE + ANSWER_TOPICS, kit_rpc.answers.answer_arrived)
        starting = group.create_task(wait_for_current_database(engine, url))
        kit_rpc.start(supervisor)
        supervisor.start("broker", client.run, may_end=True)
        log.info("RPC with kits at %s", address)
        await stop.wait()
        starting.cancel()
        await client.stop()
