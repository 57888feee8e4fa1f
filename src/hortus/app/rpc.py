"""`hortus rpc`: answers the questions of kits through an external broker."""

from __future__ import annotations

import asyncio
import logging

from hortus.app.database_wait import wait_for_current_database
from hortus.command_line import stop_requested
from hortus.database.engine import open_engine
from hortus.database.url import DatabaseUrl
from hortus.errors import UsageError
from hortus.mqtt.client import MqttClient
from hortus.mqtt.client.settings import broker_address, client_id
from hortus.rpc.responder import ServerRpcResponder
from hortus.settings import Settings

log = logging.getLogger(__name__)

# Shared, so that with several of these processes each request is answered once.
REQUESTS = "$share/hortus-rpc/kit/+/server-rpc/request"


async def run_rpc(settings: Settings) -> None:
    """Answer kits until SIGINT or SIGTERM."""
    if settings.database_url is None:
        raise UsageError("Set DATABASE_URL to the PostgreSQL that holds kits and their configurations.")
    url = DatabaseUrl.parse(settings.database_url.get_secret_value())
    address = broker_address(settings)
    stop = stop_requested()
    async with open_engine(url) as engine, asyncio.TaskGroup() as group:
        client = MqttClient(address, client_id=client_id(settings, "rpc"))
        responder = ServerRpcResponder(engine, client.publish)
        client.subscribe(REQUESTS, responder.request_arrived)
        starting = group.create_task(wait_for_current_database(engine, url))
        answering = group.create_task(responder.run())
        group.create_task(client.run())
        log.info("answering kits at %s", address)
        await stop.wait()
        starting.cancel()
        await client.stop()
        answering.cancel()
