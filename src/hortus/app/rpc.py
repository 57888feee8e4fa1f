"""`hortus rpc`: RPC with kits through an external broker, in both directions."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from functools import partial

from hortus.app.command_line.terminal import configure_logging, run, stop_requested
from hortus.app.kit_rpc import ANSWER_TOPICS, REQUEST_TOPICS, BrokerTransport, KitQuestions, KitRpc
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
from hortus.flow.broker.gate import GatePart, KitGate
from hortus.protocol.mqtt.client import ClientLimits, IngestClient, MqttClient
from hortus.protocol.mqtt.client.settings import broker_address, client_id
from hortus.protocol.mqtt.packets import Subscription

log = logging.getLogger(__name__)

# Shared, so that with several of these processes each request is answered, and each answer recorded, only once.
SHARE = "$share/hortus-rpc/"

# The session of questions outlives a restart of this process, so that a kit's question waits for it, but not
# for longer than the kit does (15 to 25 s, kit-mqtt 4.2): what is queued for a worker that is gone reaches no
# other one. That of answers to commands ends with the process, so that they reach the others at once.
# After a start of the broker, kits are let in only when we are back, so we try often.
_ANSWER_LIMITS = ClientLimits(reconnect_first_seconds=0.1, reconnect_most_seconds=0.5)
_QUESTION_LIMITS = replace(_ANSWER_LIMITS, session_expiry_seconds=20)


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
    questions = KitQuestions()
    question_client = IngestClient(
        address,
        client_id=client_id(settings, "rpc"),
        subscriptions=[Subscription(topic_filter=SHARE + REQUEST_TOPICS, qos=1)],
        intake=questions,
        limits=_QUESTION_LIMITS,
    )
    client = MqttClient(address, client_id=f"{client_id(settings, 'rpc')}-commands", limits=_ANSWER_LIMITS)
    gate = KitGate(question_client, [GatePart.QUESTIONS])
    async with (
        open_engine(url, statement_seconds=TASK_STATEMENT_SECONDS) as engine,
        process_supervisor() as supervisor,
        observed(metrics, supervisor, gate=gate),
        asyncio.TaskGroup() as group,
    ):
        kit_rpc = KitRpc(
            engine,
            task_connector(url, "hortus rpc"),
            BrokerTransport(client),
            question_client.publish,
            PresenceKeeper(engine),
            kit_seconds=settings.kit_answer_seconds,
        )
        questions.give_to(kit_rpc.responder)
        client.subscribe(SHARE + ANSWER_TOPICS, kit_rpc.answers.answer_arrived)
        starting = group.create_task(wait_for_current_database(engine, url))
        kit_rpc.start(supervisor)
        supervisor.start("broker", client.run, may_end=True)
        supervisor.start("broker-questions", question_client.run, may_end=True)
        supervisor.start("kit-gate", partial(_let_kits_in, gate, starting))
        log.info("RPC with kits at %s", address)
        await stop.wait()
        starting.cancel()
        await asyncio.gather(client.stop(), question_client.stop())


async def _let_kits_in(gate: KitGate, starting: asyncio.Task[None]) -> None:
    """Have kits let in, but not before their first question can be answered."""
    await asyncio.wait({starting})
    await gate.run()
