"""One connection to a broker, from CONNECT to its end. Knows packets, nothing of reconnecting or readings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from hortus.base.errors import OperationalError
from hortus.base.intake import KEPT_HEAD_BYTES
from hortus.protocol.mqtt.client.limits import ClientLimits
from hortus.protocol.mqtt.packets import (
    MQTT_5,
    NO_PROPERTIES,
    Connack,
    Connect,
    Disconnect,
    MqttProtocolError,
    OversizedPublish,
    Packet,
    PacketReader,
    Pingreq,
    Pingresp,
    Properties,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    ReasonCode,
    Suback,
    Subscribe,
    Subscription,
    encode,
    encode_pubcomp,
    encode_pubrel,
    explain_reason,
)

_HIGHEST_PACKET_ID = 65_535
_FAILURE = 0x80
# Two ticks per keep-alive interval: the connection fails after one and a half, as the broker's does with us.
_SILENT_TICKS_UNTIL_DEAD = 3


class ConnectionLostError(OperationalError):
    """The connection to the broker ended during an operation."""


class PublishRefusedError(OperationalError):
    """The broker rejected a message of ours."""


class BrokerConnection(asyncio.Protocol):
    """Speaks MQTT 5 over one transport.

    `accepted` resolves to the broker's CONNACK, whether positive or negative; `subscribed` is set when every
    subscription requested so far is granted; `ended` resolves to a sentence that explains why the connection
    ended. `on_message` is called for each PUBLISH, `on_chunk_end` after all packets of one chunk of network
    data. With `on_oversized`, a PUBLISH may have any size: if it exceeds `max_packet_bytes`, `on_oversized`
    receives its beginning.
    """

    def __init__(
        self,
        connect: Connect,
        limits: ClientLimits,
        on_message: Callable[[Publish], None],
        on_chunk_end: Callable[[], None],
        on_oversized: Callable[[OversizedPublish], None] | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.accepted: asyncio.Future[Connack] = loop.create_future()
        self.ended: asyncio.Future[str] = loop.create_future()
        self.subscribed = asyncio.Event()
        self._loop = loop
        self._connect = connect
        self._limits = limits
        self._on_message = on_message
        self._on_chunk_end = on_chunk_end
        self._on_oversized = on_oversized
        self._reader = PacketReader(
            limits.max_packet_bytes,
            MQTT_5,
            oversized_head_bytes=None if on_oversized is None else KEPT_HEAD_BYTES,
        )
        self._transport: asyncio.Transport | None = None
        self._reading = True
        self._writable = asyncio.Event()
        self._writable.set()
        self._last_packet_id = 0
        self._subscribing: dict[int, tuple[Subscription, ...]] = {}
        self._publishing: dict[int, asyncio.Future[int]] = {}
        self._outgoing = asyncio.Semaphore(limits.max_outgoing)
        self._max_outgoing_packet_bytes: int | None = None
        self._silent_ticks = 0
        self._tick_handle: asyncio.TimerHandle | None = None
        self._keep_alive_seconds = limits.keep_alive_seconds

    # Called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send CONNECT."""
        self._transport = cast("asyncio.Transport", transport)
        self.write(encode(self._connect, MQTT_5))

    def data_received(self, data: bytes) -> None:
        """Process packets from the broker. This is the hot path of ingest."""
        self._silent_ticks = 0
        failure: MqttProtocolError | None = None
        try:
            packets: list[Packet] = self._reader.feed(data)
        except MqttProtocolError as error:
            packets, failure = self._reader.packets_before_error, error
        on_message = self._on_message
        for packet in packets:
            if type(packet) is Publish:
                on_message(packet)
            else:
                self._take(packet)
        self._on_chunk_end()
        if failure is not None:
            self._say_goodbye(int(failure.reason_code))
            self.fail(f"The broker violated the MQTT protocol: {failure}")

    def pause_writing(self) -> None:
        """Hold back own publishes: the broker reads more slowly than we write."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Resume own publishes."""
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the connection and fail all pending operations."""
        self._end(f"The connection to the broker was lost ({exc})." if exc else "The broker hung up.")

    # Called by the client

    def write(self, data: bytes) -> None:
        """Send bytes; has no effect once the connection has ended."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def pause_reading(self) -> None:
        """Stop reading from the network, so that the broker keeps further messages. Idempotent."""
        if self._reading and self._transport is not None and not self._transport.is_closing():
            self._reading = False
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again. Idempotent."""
        if not self._reading and self._transport is not None and not self._transport.is_closing():
            self._reading = True
            # While reading was paused, the broker's PINGRESPs waited in the socket: it was not silent.
            self._silent_ticks = 0
            self._transport.resume_reading()

    def subscribe(self, subscriptions: tuple[Subscription, ...]) -> None:
        """Request subscriptions; `subscribed` is set when the broker has granted them all."""
        self.subscribed.clear()
        packet_id = self._free_packet_id()
        self._subscribing[packet_id] = subscriptions
        self.write(encode(Subscribe(packet_id=packet_id, subscriptions=subscriptions), MQTT_5))

    async def publish(
        self, topic: str, payload: bytes, qos: int, properties: Properties = NO_PROPERTIES
    ) -> bool:
        """Send a message; return when the broker has it (QoS 1, 2) or it is handed to the network (QoS 0).

        Returns False if the broker reports no matching subscribers (section 3.4.2.1; reporting is optional).

        Raises ConnectionLostError, PublishRefusedError, or MqttProtocolError for an invalid topic.
        """
        if qos == 0:
            await self._send_publish(Publish(topic, payload, properties=properties))
            return True
        async with self._outgoing:
            packet_id = self._free_packet_id()
            answered: asyncio.Future[int] = self._loop.create_future()
            self._publishing[packet_id] = answered
            try:
                await self._send_publish(Publish(topic, payload, qos, packet_id, properties=properties))
                async with asyncio.timeout(self._limits.answer_timeout_seconds):
                    reason_code = await answered
            except TimeoutError as error:
                raise ConnectionLostError(
                    f"The broker did not acknowledge a message on {topic} in time."
                ) from error
            finally:
                self._publishing.pop(packet_id, None)
        if reason_code >= _FAILURE:
            raise PublishRefusedError(
                f"The broker refused a message on {topic}: {explain_reason(reason_code)}. "
                "Check what the account may publish."
            )
        return reason_code != ReasonCode.NO_MATCHING_SUBSCRIBERS

    async def close(self, patience_seconds: float = 2.0) -> None:
        """Send DISCONNECT and wait briefly until the broker closes the connection.

        Closing with unread data in the socket would reset the connection, and acknowledgements in transit could
        be lost with it (the messages would merely be delivered again, but that is avoidable).
        """
        self.resume_reading()
        self._say_goodbye(0)
        await asyncio.wait({self.ended}, timeout=patience_seconds)
        self.fail("The connection was closed.")

    def fail(self, reason: str) -> None:
        """End the connection immediately, for this reason."""
        self._end(reason)
        if self._transport is not None:
            self._transport.abort()

    # Packets other than PUBLISH

    def _take(self, packet: Packet) -> None:
        match packet:
            case Pubrel(packet_id=packet_id):
                # Answered even for an unknown identifier: a message is settled before it is released.
                self.write(encode_pubcomp(packet_id))
            case Puback(packet_id=packet_id, reason_code=reason_code):
                self._answered(packet_id, reason_code)
            case Pubrec(packet_id=packet_id, reason_code=reason_code):
                if reason_code >= _FAILURE:
                    self._answered(packet_id, reason_code)
                else:
                    self.write(encode_pubrel(packet_id))
            case Pubcomp(packet_id=packet_id):
                self._answered(packet_id, 0)
            case Suback(packet_id=packet_id, reason_codes=reason_codes):
                self._take_suback(packet_id, reason_codes)
            case Connack() if not self.accepted.done():
                self._take_connack(packet)
            case Pingresp():
                pass
            case OversizedPublish() if self._on_oversized is not None:
                self._on_oversized(packet)
            case Disconnect(reason_code=reason_code):
                self.fail(_explain_disconnect(reason_code))
            case _:
                self.fail(
                    f"The broker sent a {type(packet).__name__.upper()}, which a client must not receive."
                )

    def _take_connack(self, connack: Connack) -> None:
        properties = connack.properties
        if properties.receive_maximum is not None and properties.receive_maximum < self._limits.max_outgoing:
            self._outgoing = asyncio.Semaphore(properties.receive_maximum)
        if properties.server_keep_alive_seconds:
            self._keep_alive_seconds = properties.server_keep_alive_seconds
        self._max_outgoing_packet_bytes = properties.maximum_packet_size_bytes
        self.accepted.set_result(connack)
        self._tick_later()

    def _take_suback(self, packet_id: int, reason_codes: tuple[int, ...]) -> None:
        subscriptions = self._subscribing.pop(packet_id, ())
        for subscription, reason_code in zip(subscriptions, reason_codes, strict=False):
            if reason_code >= _FAILURE:
                self.fail(
                    f"The broker refused the subscription {subscription.topic_filter}: "
                    f"{explain_reason(reason_code)}. Check the account's rights at the broker."
                )
                return
        if not self._subscribing:
            self.subscribed.set()

    def _answered(self, packet_id: int, reason_code: int) -> None:
        answered = self._publishing.get(packet_id)
        if answered is not None and not answered.done():
            answered.set_result(reason_code)

    async def _send_publish(self, message: Publish) -> None:
        await self._writable.wait()
        if self.ended.done():
            raise ConnectionLostError(self.ended.result())
        data = encode(message, MQTT_5)
        if self._max_outgoing_packet_bytes is not None and len(data) > self._max_outgoing_packet_bytes:
            raise PublishRefusedError(
                f"A message of {len(data)} bytes on {message.topic} is larger than the broker accepts "
                f"({self._max_outgoing_packet_bytes} bytes)."
            )
        self.write(data)

    def _free_packet_id(self) -> int:
        # There are far fewer open packets than identifiers, so the search is short.
        while True:
            self._last_packet_id = self._last_packet_id % _HIGHEST_PACKET_ID + 1
            if self._last_packet_id not in self._publishing and self._last_packet_id not in self._subscribing:
                return self._last_packet_id

    # Keep-alive

    def _tick_later(self) -> None:
        self._tick_handle = self._loop.call_later(self._keep_alive_seconds / 2, self._tick)

    def _tick(self) -> None:
        # Ticks are counted, not seconds: a process that was suspended for an hour has missed one tick, and
        # hears from the broker before the next.
        if self._reading:
            self._silent_ticks += 1
        if self._silent_ticks >= _SILENT_TICKS_UNTIL_DEAD:
            silent_seconds = self._silent_ticks * self._keep_alive_seconds / 2
            self.fail(f"The broker has not answered for {silent_seconds:.0f} s.")
            return
        self.write(encode(Pingreq(), MQTT_5))
        self._tick_later()

    # The end

    def _say_goodbye(self, reason_code: int) -> None:
        self.write(encode(Disconnect(reason_code=reason_code), MQTT_5))

    def _end(self, reason: str) -> None:
        if self.ended.done():
            return
        self.ended.set_result(reason)
        self._writable.set()
        if self._tick_handle is not None:
            self._tick_handle.cancel()
        if not self.accepted.done():
            self.accepted.cancel()
        for answered in self._publishing.values():
            if not answered.done():
                answered.set_exception(ConnectionLostError(reason))


def _explain_disconnect(reason_code: int) -> str:
    advice = {
        0x8B: "The broker is shutting down.",
        0x8E: "Another client connected with the same client id; give each ingester its own.",
        0x98: "The account was changed or removed at the broker.",
    }.get(reason_code, "The broker ended the connection.")
    return f"{advice} Its reason: {explain_reason(reason_code)}."
