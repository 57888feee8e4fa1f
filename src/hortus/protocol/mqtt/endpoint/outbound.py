"""Outgoing messages of one subscriber: a bounded queue, and the window of unacknowledged messages."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple, Protocol

from hortus.base.errors import describe_error
from hortus.protocol.mqtt.endpoint.counters import EndpointCounters
from hortus.protocol.mqtt.endpoint.limits import EndpointLimits
from hortus.protocol.mqtt.packets import (
    MQTT_5,
    NO_PROPERTIES,
    MqttProtocolError,
    Properties,
    Publish,
    encode,
    encode_pubrel,
)

logger = logging.getLogger(__name__)

# Memory taken by a queued message besides its payload, so that many empty ones are bounded too.
MESSAGE_OVERHEAD_BYTES = 256


class OutboundMessage(NamedTuple):
    """A message for one subscriber. `expires_at` is in event-loop time, or None."""

    topic: str
    payload: bytes
    qos: int
    retain: bool = False
    properties: Properties = NO_PROPERTIES
    expires_at: float | None = None

    @property
    def held_bytes(self) -> int:
        """The size it counts as while queued."""
        return len(self.payload) + MESSAGE_OVERHEAD_BYTES


class SubscriberConnection(Protocol):
    """The connection of a subscriber, as far as the queue needs it."""

    protocol_level: int

    @property
    def can_write(self) -> bool:
        """Whether the peer keeps up with the data sent to it."""

    def send(self, data: bytes) -> None:
        """Send bytes in order."""


class SharedAllowance:
    """The bytes that all subscribers together may hold."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self.used_bytes = 0

    def fits(self, size: int) -> bool:
        """Return whether `size` more bytes may be held; if nothing else is held, any size may."""
        return self.used_bytes == 0 or self.used_bytes + size <= self._max_bytes


class Outbound:
    """The outgoing side of a session. It outlives connections; `attach` sets the current one."""

    def __init__(
        self,
        *,
        limits: EndpointLimits,
        allowance: SharedAllowance,
        counters: EndpointCounters,
        clock: Callable[[], float],
    ) -> None:
        self._limits = limits
        self._allowance = allowance
        self._counters = counters
        self._clock = clock
        self._queue: deque[OutboundMessage] = deque()
        # None stands for a QoS 2 message that the subscriber has received (PUBREC); PUBCOMP is awaited.
        self._inflight: dict[int, OutboundMessage | None] = {}
        # In flight from an earlier connection and not sent over this one yet, in order.
        self._to_resend: dict[int, None] = {}
        self._held_bytes = 0
        self._last_packet_id = 0
        self._link: SubscriberConnection | None = None
        self._window = limits.max_inflight_messages
        self._max_packet_bytes: int | None = None

    @property
    def waiting_messages(self) -> int:
        """The number of messages queued and in flight."""
        return len(self._queue) + len(self._inflight)

    def attach(self, link: SubscriberConnection, *, receive_maximum: int, max_packet_bytes: int | None) -> None:
        """Continue over a new connection: messages in flight are resent first, in order (section 4.4)."""
        self._link = link
        self._window = min(receive_maximum, self._limits.max_inflight_messages)
        self._max_packet_bytes = max_packet_bytes
        self._to_resend = dict.fromkeys(self._inflight)
        self.drain()

    def detach(self) -> None:
        """Keep QoS 1 and 2 messages until the subscriber reconnects."""
        self._link = None
        kept = [message for message in self._queue if message.qos]
        for message in self._queue:
            if not message.qos:
                self._release(message)
                self._counters.messages_dropped += 1
        self._queue = deque(kept)

    def clear(self) -> None:
        """Drop everything: the session has ended."""
        self._link = None
        self._queue.clear()
        self._inflight.clear()
        self._to_resend.clear()
        self._allowance.used_bytes -= self._held_bytes
        self._held_bytes = 0

    def offer(self, message: OutboundMessage) -> bool:
        """Send or queue a message; return False if there is no room for it."""
        link = self._link
        if link is None and not message.qos:
            self._counters.messages_dropped += 1
            return True
        if link is not None and not self._queue and not self._to_resend and link.can_write:
            if not message.qos:
                self._write(message, 0)
                return True
            if len(self._inflight) < self._window and self._fits(message):
                self._hold(message)
                self._send_held(message)
                return True
        if len(self._queue) >= self._limits.max_queued_messages or not self._fits(message):
            return False
        self._hold(message)
        self._queue.append(message)
        return True

    def drain(self) -> None:
        """Send queued messages as far as the window and the connection allow."""
        if self._to_resend:
            self._resend()
        while self._queue and self._link is not None and self._link.can_write:
            message = self._queue[0]
            if message.qos and (self._to_resend or len(self._inflight) >= self._window):
                return
            self._queue.popleft()
            if message.expires_at is not None and message.expires_at <= self._clock():
                self._release(message)
                self._counters.messages_dropped += 1
            elif message.qos:
                self._send_held(message)
            else:
                self._release(message)
                self._write(message, 0)

    def _resend(self) -> None:
        """Send what an earlier connection left in flight; no more of it at a time than the window allows."""
        for packet_id in list(self._to_resend):
            link = self._link
            is_in_window = len(self._inflight) - len(self._to_resend) < self._window
            if link is None or not link.can_write or not is_in_window:
                return
            del self._to_resend[packet_id]
            message = self._inflight[packet_id]
            if message is None:
                link.send(encode_pubrel(packet_id))
            elif not self._write(message, packet_id, duplicate=True):
                self._release(message)
                del self._inflight[packet_id]

    def on_puback(self, packet_id: int) -> None:
        """Complete a QoS 1 message that the subscriber has acknowledged."""
        message = self._inflight.get(packet_id)
        if message is not None and message.qos == 1:
            self._complete(packet_id)

    def on_pubrec(self, packet_id: int, *, failed: bool) -> bool:
        """Handle the subscriber's PUBREC for a QoS 2 message. Return whether PUBREL must follow."""
        if packet_id not in self._inflight:
            return False
        message = self._inflight[packet_id]
        if message is not None and message.qos != 2:
            return False
        if failed:
            self._complete(packet_id)
            return False
        if message is not None:
            self._release(message)
            self._inflight[packet_id] = None
        self._to_resend.pop(packet_id, None)
        return True

    def on_pubcomp(self, packet_id: int) -> None:
        """Complete the QoS 2 exchange."""
        if packet_id in self._inflight and self._inflight[packet_id] is None:
            self._complete(packet_id)

    def _complete(self, packet_id: int) -> None:
        message = self._inflight.pop(packet_id)
        self._to_resend.pop(packet_id, None)
        if message is not None:
            self._release(message)
        self.drain()

    def _fits(self, message: OutboundMessage) -> bool:
        size = message.held_bytes
        fits_here = self._held_bytes == 0 or self._held_bytes + size <= self._limits.max_queued_bytes
        return fits_here and self._allowance.fits(size)

    def _hold(self, message: OutboundMessage) -> None:
        self._held_bytes += message.held_bytes
        self._allowance.used_bytes += message.held_bytes

    def _release(self, message: OutboundMessage) -> None:
        self._held_bytes -= message.held_bytes
        self._allowance.used_bytes -= message.held_bytes

    def _send_held(self, message: OutboundMessage) -> None:
        packet_id = self._free_packet_id()
        self._inflight[packet_id] = message
        if not self._write(message, packet_id):
            self._release(message)
            del self._inflight[packet_id]

    def _free_packet_id(self) -> int:
        # The window is far smaller than 65,535, so the search is short.
        packet_id = self._last_packet_id
        while True:
            packet_id = packet_id % 65_535 + 1
            if packet_id not in self._inflight:
                self._last_packet_id = packet_id
                return packet_id

    def _write(self, message: OutboundMessage, packet_id: int, *, duplicate: bool = False) -> bool:
        """Send one message; return False if this subscriber cannot be sent it, now or later."""
        link = self._link
        assert link is not None
        properties = message.properties
        if link.protocol_level == MQTT_5 and message.expires_at is not None:
            remaining_seconds = max(0, int(message.expires_at - self._clock()))
            properties = replace(properties, message_expiry_interval_seconds=remaining_seconds)
        packet = Publish(
            message.topic, message.payload, message.qos, packet_id, message.retain, duplicate, properties
        )
        try:
            data = encode(packet, link.protocol_level)
        except MqttProtocolError as error:
            # What a client published must not harm its subscribers, whatever it is.
            self._counters.messages_dropped += 1
            self._counters.internal_errors += 1
            logger.error("A message on topic %r cannot be delivered: %s", message.topic, describe_error(error))
            return False
        if self._max_packet_bytes is not None and len(data) > self._max_packet_bytes:
            self._counters.messages_dropped += 1
            return False
        self._counters.messages_delivered += 1
        link.send(data)
        return True
