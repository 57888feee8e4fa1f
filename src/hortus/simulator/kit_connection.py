"""The MQTT connection of one virtual kit: connect, subscribe, publish, and reconnect without limit.

As kit 1.0.0b8 does it (kit-mqtt 1.1): 3.1.1 over plain TCP, empty client id, clean session, keep-alive 60 s,
two SUBSCRIBE packets after each CONNACK, reconnect delay 1 s doubling to 128 s.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from hortus.base.errors import describe_error
from hortus.protocol.mqtt.packets import (
    MQTT_3_1_1,
    Connack,
    Connect,
    ConnectReturnCode,
    Disconnect,
    MqttProtocolError,
    Packet,
    PacketReader,
    Pingreq,
    Pingresp,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Subscription,
    encode,
    encode_puback,
    encode_pubcomp,
    encode_pubrec,
)
from hortus.simulator.outbox import KitOutbox
from hortus.simulator.report import SentReading

logger = logging.getLogger(__name__)

# A configuration with every definition in it is tens of KiB; a kit receives nothing larger.
_LARGEST_PACKET_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSettings:
    """The timings and limits of kit 1.0.0b8; tests shorten them.

    `queue_messages` bounds the queue behind the window. The real kit's queue is unbounded.
    """

    keep_alive_seconds: int = 60
    connect_timeout_seconds: float = 15.0
    retry_seconds: float = 20.0
    first_reconnect_seconds: float = 1.0
    longest_reconnect_seconds: float = 128.0
    window: int = 20
    queue_messages: int = 10_000


class KitConnection:
    """Keeps one kit connected. `on_message` receives topic and payload of messages from the server."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        username: str,
        password: str,
        topics: tuple[str, ...],
        settings: LinkSettings,
        on_message: Callable[[str, bytes], None],
        on_taken_over: Callable[[SentReading], None],
    ) -> None:
        self._host = host
        self._port = port
        self._username = username
        self._password = password
        self._topics = topics
        self._settings = settings
        self._on_message = on_message
        self._connection: _Connection | None = None
        self.outbox = KitOutbox(
            window=settings.window,
            capacity=settings.queue_messages,
            retry_seconds=settings.retry_seconds,
            on_taken_over=on_taken_over,
        )
        self.connections = 0
        self.first_connected = asyncio.Event()

    @property
    def connected(self) -> bool:
        """Whether the server has accepted the kit on the current connection."""
        return self._connection is not None and self._connection.usable

    async def run(self) -> None:
        """Connect, and reconnect whenever the connection ends, until cancelled."""
        delay_seconds = self._settings.first_reconnect_seconds
        while True:
            if await self._connect_once():
                delay_seconds = self._settings.first_reconnect_seconds
            await asyncio.sleep(delay_seconds)
            delay_seconds = min(2 * delay_seconds, self._settings.longest_reconnect_seconds)

    def publish(self, topic: str, payload: bytes, *, qos: int, reading: SentReading | None = None) -> bool:
        """Publish now, or at QoS 1 and 2 as soon as window and connection allow.

        Return False if the message is lost: at QoS 0 without a connection that accepts data, otherwise with a
        full queue.
        """
        connection = self._connection
        if qos == 0:
            if connection is None or not connection.usable or connection.clogged:
                return False
            connection.write(encode(Publish(topic=topic, payload=payload), MQTT_3_1_1))
            return True
        added = self.outbox.add(topic, payload, qos, reading)
        if connection is not None and connection.usable:
            connection.write(self.outbox.fill_window(connection.now_seconds))
        return added

    def cut(self) -> None:
        """Break the connection without a DISCONNECT, as a lost radio link does."""
        if self._connection is not None:
            self._connection.abort()

    async def _connect_once(self) -> bool:
        """Connect and serve until the connection ends; return whether the server had accepted the kit."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._settings.connect_timeout_seconds):
                _, connection = await loop.create_connection(
                    lambda: _Connection(self, self._settings), self._host, self._port
                )
        except OSError as error:  # TimeoutError is one
            logger.info(
                "kit %s: no connection to %s:%s: %s",
                self._username,
                self._host,
                self._port,
                describe_error(error),
            )
            return False
        self._connection = connection
        try:
            await connection.closed
        finally:
            connection.leave()
            self._connection = None
        return connection.accepted

    def connect_packet(self) -> Connect:
        """Return the CONNECT of kit 1.0.0b8."""
        return Connect(
            client_id="",
            protocol_level=MQTT_3_1_1,
            clean_start=True,
            keep_alive_seconds=self._settings.keep_alive_seconds,
            username=self._username,
            password=self._password.encode(),
        )

    def accepted(self, connection: _Connection) -> None:
        """Subscribe and resume unfinished messages on a newly accepted connection."""
        self.connections += 1
        for topic in self._topics:
            subscription = Subscription(topic_filter=topic, qos=1)
            subscribe = Subscribe(packet_id=self.outbox.next_packet_id(), subscriptions=(subscription,))
            connection.write(encode(subscribe, MQTT_3_1_1))
        connection.write(self.outbox.resume(connection.now_seconds))
        self.first_connected.set()

    def refused(self, return_code: int) -> None:
        """Log that the server refused the kit; it retries as the real one does."""
        if return_code in {ConnectReturnCode.BAD_USER_NAME_OR_PASSWORD, ConnectReturnCode.NOT_AUTHORIZED}:
            logger.warning("kit %s: the server refused serial or password", self._username)
        else:
            logger.warning("kit %s: the server refused the connection (%d)", self._username, return_code)

    def subscription_refused(self) -> None:
        """Log that the kit will receive no messages."""
        logger.warning("kit %s: the server refused a subscription", self._username)

    def received(self, topic: str, payload: bytes) -> None:
        """Pass on a message that the server published."""
        self._on_message(topic, payload)


class _Connection(asyncio.Protocol):
    """One TCP connection, from CONNECT to its end."""

    def __init__(self, link: KitConnection, settings: LinkSettings) -> None:
        self._link = link
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._reader = PacketReader(_LARGEST_PACKET_BYTES, MQTT_3_1_1)
        self._transport: asyncio.Transport | None = None
        self._upkeep: asyncio.TimerHandle | None = None
        self._written_seconds = 0.0
        self._ping_sent_seconds: float | None = None
        self.closed: asyncio.Future[None] = self._loop.create_future()
        self.accepted = False
        self.clogged = False

    @property
    def now_seconds(self) -> float:
        return self._loop.time()

    @property
    def usable(self) -> bool:
        # An aborted transport accepts bytes silently and loses them.
        return self.accepted and self._transport is not None and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not checked by type: uvloop's transports do not inherit from those of asyncio.
        self._transport = cast("asyncio.Transport", transport)
        self.write(encode(self._link.connect_packet(), MQTT_3_1_1))
        self._upkeep = self._loop.call_later(self._settings.connect_timeout_seconds, self._give_up_waiting)

    def connection_lost(self, _error: Exception | None) -> None:
        self._transport = None
        self._stop_upkeep()
        if not self.closed.done():
            self.closed.set_result(None)

    def pause_writing(self) -> None:
        self.clogged = True

    def resume_writing(self) -> None:
        self.clogged = False

    def data_received(self, data: bytes) -> None:
        try:
            packets = self._reader.feed(data)
        except MqttProtocolError as error:
            logger.warning("%s; reconnecting", describe_error(error))
            self.abort()
            return
        for packet in packets:
            self._handle(packet)

    def write(self, data: bytes) -> None:
        if data and self._transport is not None:
            self._written_seconds = self.now_seconds
            self._transport.write(data)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def leave(self) -> None:
        """Send DISCONNECT if the connection is still open."""
        if self._transport is not None:
            self.write(encode(Disconnect(), MQTT_3_1_1))
            self._transport.close()

    def _handle(self, packet: Packet) -> None:
        match packet:
            case Connack():
                self._connack(packet)
            case Publish():
                self._publish(packet)
            case Puback() | Pubrec() | Pubcomp():
                self.write(self._link.outbox.take(packet, self.now_seconds))
            case Pubrel():
                self.write(encode_pubcomp(packet.packet_id))
            case Pingresp():
                self._ping_sent_seconds = None
            case Suback() if any(code >= 0x80 for code in packet.reason_codes):
                self._link.subscription_refused()
            case _:
                pass

    def _connack(self, packet: Connack) -> None:
        self._stop_upkeep()
        if packet.reason_code != ConnectReturnCode.ACCEPTED:
            self._link.refused(packet.reason_code)
            self.abort()
            return
        self.accepted = True
        self._link.accepted(self)
        self._look_after()

    def _publish(self, packet: Publish) -> None:
        if packet.qos == 1:
            self.write(encode_puback(packet.packet_id))
        elif packet.qos == 2:
            self.write(encode_pubrec(packet.packet_id))
        self._link.received(packet.topic, packet.payload)

    def _look_after(self) -> None:
        """Resend overdue messages, ping when nothing was written for the keep-alive time, then sleep."""
        now = self.now_seconds
        keep_alive = self._settings.keep_alive_seconds
        if self._ping_sent_seconds is not None and now >= self._ping_sent_seconds + keep_alive:
            self.abort()
            return
        self.write(self._link.outbox.overdue(now))
        if self._ping_sent_seconds is None and now >= self._written_seconds + keep_alive:
            self.write(encode(Pingreq(), MQTT_3_1_1))
            self._ping_sent_seconds = now
        # A message sent during this sleep is due one retry time later at the earliest.
        due = [now + self._settings.retry_seconds, self._written_seconds + keep_alive]
        next_retry = self._link.outbox.next_retry_seconds()
        if next_retry is not None:
            due.append(next_retry)
        if self._ping_sent_seconds is not None:
            due.append(self._ping_sent_seconds + keep_alive)
        self._upkeep = self._loop.call_at(max(min(due), now + 0.01), self._look_after)

    def _give_up_waiting(self) -> None:
        logger.info("the server does not answer CONNECT; reconnecting")
        self.abort()

    def _stop_upkeep(self) -> None:
        if self._upkeep is not None:
            self._upkeep.cancel()
            self._upkeep = None
