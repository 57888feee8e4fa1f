"""RPC in both directions over one transport to kits: the parts that `hortus rpc` and `hortus up` share."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.base.database.listening import PING_SECONDS, listen
from hortus.base.intake import MessageSource
from hortus.base.supervision import Supervisor
from hortus.domain.presence.keeper import PresenceKeeper
from hortus.flow.commands.answers import AnswerDesk
from hortus.flow.commands.dispatcher import LOOK_SECONDS, CommandDispatcher, KitTransport, NotSent
from hortus.flow.commands.store import COMMANDS_CHANNEL
from hortus.flow.rpc.responder import Publish, ServerRpcResponder
from hortus.protocol.mqtt.client import BrokerUnreachableError, MqttClient
from hortus.protocol.mqtt.endpoint import MqttEndpoint
from hortus.protocol.mqtt.topics import KitTopic

log = logging.getLogger(__name__)

Connect = Callable[[], Awaitable[asyncpg.Connection]]

REQUEST_TOPICS = "kit/+/server-rpc/request"
ANSWER_TOPICS = "kit/+/kit-rpc/response"


class KitRpc:
    """Answers kits, sends commands to them, receives their answers, and records their presence.

    `kit_seconds` is the time that a kit has to answer.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        connect: Connect,
        transport: KitTransport,
        publish: Publish,
        presence: PresenceKeeper,
        *,
        kit_seconds: int,
    ) -> None:
        self._connect = connect
        self._presence = presence
        self.responder = ServerRpcResponder(engine, publish, on_contact=self._presence.heard)
        self.dispatcher = CommandDispatcher(
            engine, transport, on_absent=self._turned_out_absent, kit_seconds=kit_seconds
        )
        self.answers = AnswerDesk(engine, on_contact=self._presence.heard)

    def start(self, supervisor: Supervisor) -> None:
        """Start working, until the supervisor ends."""
        supervisor.start("kit-presence", self._presence.run)
        supervisor.start("kit-questions", self.responder.run)
        supervisor.start("kit-commands", self.dispatcher.run, every_seconds=LOOK_SECONDS)
        supervisor.start("kit-answers", self.answers.run)
        supervisor.start("kit-command-announcements", self._follow, every_seconds=PING_SECONDS)

    async def _follow(self) -> None:
        await listen(self._connect, COMMANDS_CHANNEL, tell=self._announced, connected=self.dispatcher.wake)

    def _announced(self, payload: str) -> None:
        if payload == "queued":
            self.dispatcher.wake()

    def _turned_out_absent(self, serial: str) -> None:
        self._presence.connection_changed(serial, False)


class KitQuestions:
    """The intake of kits' questions through a broker, which keeps each of them until it is answered."""

    saturated = False  # the client's own bounds are lower than those of the responder

    def __init__(self) -> None:
        self._responder: ServerRpcResponder | None = None

    def give_to(self, responder: ServerRpcResponder) -> None:
        """Hand over everything that arrives from now on. Call this before the client runs."""
        self._responder = responder

    def when_relieved(self, callback: Callable[[], None]) -> None:
        """Call back at once."""
        callback()

    def offer(self, source: MessageSource, handle: int, topic: str, payload: bytes) -> None:
        """Accept a question."""
        assert self._responder is not None
        self._responder.request_arrived(topic, payload, lambda: source.settle((handle,)))

    def offer_head(
        self, source: MessageSource, handle: int, topic: str, head: bytes, payload_bytes: int
    ) -> None:
        """Drop a message that is too large."""
        log.warning("dropped a message of %d bytes on %s: %r…", payload_bytes, topic, head[:16])
        source.settle((handle,))


class EndpointTransport:
    """Transport to kits that are connected to this process."""

    def __init__(self, endpoint: MqttEndpoint) -> None:
        self._endpoint = endpoint

    @property
    def connected(self) -> bool:
        """Always true: the endpoint is in this process."""
        return True

    async def send(self, topic: KitTopic, payload: bytes, *, expiry_seconds: int) -> bool:
        """Deliver immediately."""
        if not self._endpoint.is_kit_connected(topic.serial):
            return False
        return self._endpoint.publish(str(topic), payload, qos=1, expiry_seconds=expiry_seconds) > 0

    async def publish(self, topic: str, payload: bytes) -> bool:
        """Deliver an answer immediately."""
        return self._endpoint.publish(topic, payload, qos=1) > 0


class BrokerTransport:
    """Transport through a broker, which reports whether the kit has subscribed (MQTT 5, section 3.4.2.1)."""

    def __init__(self, client: MqttClient) -> None:
        self._client = client

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted the connection and granted the subscriptions to answers."""
        return self._client.connected

    async def send(self, topic: KitTopic, payload: bytes, *, expiry_seconds: int) -> bool:
        """Publish, and wait until the broker has acknowledged the message."""
        try:
            return await self._client.publish(str(topic), payload, qos=1, expiry_seconds=expiry_seconds)
        except BrokerUnreachableError as error:
            raise NotSent(str(error)) from error
