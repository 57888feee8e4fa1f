"""The MQTT 5 client of an ingester: acknowledges a message only when the intake has settled it (P1)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from hortus.base.intake import Intake
from hortus.protocol.mqtt.client.client import BrokerAddress, MqttClient
from hortus.protocol.mqtt.client.connection import BrokerConnection
from hortus.protocol.mqtt.client.limits import ClientLimits
from hortus.protocol.mqtt.packets import (
    OversizedPublish,
    Publish,
    Subscription,
    encode_puback,
    encode_pubrec,
)

# A handle combines the connection's number and the packet identifier (16 bits), so that a handle of an older
# connection is never mistaken for one of this connection. Messages of QoS 0 count down from -1.
_HANDLES_PER_CONNECTION = 0x1_0000


class IngestClient(MqttClient):
    """Offers every message to an `Intake` and acknowledges it when it is settled.

    The session is persistent: the broker keeps all unacknowledged messages while we are disconnected and
    delivers them again. So handles of an older connection are invalid and ignored.

    Messages on topics with a callback go to the callback instead. All others, including those of
    subscriptions left over in the session, are offered: the intake decides what happens to them (P3).

    The broker may send packets of any size: if one exceeds `max_packet_bytes`, its beginning is offered, while
    the rest is discarded as it arrives. If we refused it, the broker would drop it silently.

    Memory: reading stops when the intake is saturated, or when twice `receive_maximum` messages or
    `max_open_bytes` of payload are open, so the rest waits at the broker (P6). The broker's obligation to send
    no more than `receive_maximum` is not relied on: Mosquitto 2.0.11 violates it as soon as messages are queued
    (docs/mosquitto.md), and it does not apply to QoS 0.
    """

    def __init__(
        self,
        address: BrokerAddress,
        *,
        client_id: str,
        subscriptions: Sequence[Subscription],
        intake: Intake,
        limits: ClientLimits | None = None,
    ) -> None:
        super().__init__(address, client_id=client_id, limits=limits, clean_start=False)
        self.stale_settlements = 0
        self._intake = intake
        self._subscriptions.extend(subscriptions)
        self._open_messages: dict[int, tuple[int, int, int]] = {}
        self._open_bytes = 0
        self._handle_base = 0
        self._last_qos_0_handle = 0
        self._awaiting_relief = False
        self._all_settled = asyncio.Event()

    @property
    def open_messages(self) -> int:
        """The number of messages offered and not yet settled."""
        return len(self._open_messages)

    @property
    def open_bytes(self) -> int:
        """The payload bytes of the messages offered and not yet settled."""
        return self._open_bytes

    # Source: called by the intake

    def settle(self, handles: Sequence[int]) -> None:
        """Acknowledge these messages to the broker, all in one write."""
        answers = []
        for handle in handles:
            found = self._open_messages.pop(handle, None)
            if found is None:
                self.stale_settlements += 1
                continue
            qos, packet_id, payload_bytes = found
            self._open_bytes -= payload_bytes
            if qos == 1:
                answers.append(encode_puback(packet_id))
            elif qos == 2:
                answers.append(encode_pubrec(packet_id))
        if answers and self._connection is not None:
            self._connection.write(b"".join(answers))
        self._after_settling()

    # Called by the connection

    def _receive(self, message: Publish) -> None:
        callback = self._listeners.get(message.topic)
        if callback is None and self._callbacks:
            callback = self._callback_for(message.topic)
        if callback is not None:
            self.messages += 1
            self._call_back(callback, message)
            return
        if self._stopping.is_set():
            # No longer accepted; unacknowledged, it stays in the session for the next start.
            return
        handle = self._open(message)
        if handle is not None:
            self._intake.offer(self, handle, message.topic, message.payload)

    def _receive_oversized(self, message: OversizedPublish) -> None:
        if self._stopping.is_set():
            return
        head = message.publish
        handle = self._open(head)
        if handle is not None:
            self._intake.offer_head(self, handle, head.topic, head.payload, message.payload_bytes)

    def _open(self, message: Publish) -> int | None:
        """Register a message as open and return its handle.

        Called before the message is offered, because the intake may settle it at once. Returns None if that
        identifier is open already; then the connection ends.
        """
        _topic, payload, qos, packet_id, _retain, _duplicate, _properties = message
        self.messages += 1
        if qos:
            handle = self._handle_base + packet_id
            if handle in self._open_messages:
                self._give_up_ambiguous_session()
                return None
        else:
            # Nothing to acknowledge, but the message counts towards the intake's memory.
            self._last_qos_0_handle = handle = self._last_qos_0_handle - 1
        payload_bytes = len(payload)
        self._open_messages[handle] = (qos, packet_id, payload_bytes)
        self._open_bytes += payload_bytes
        return handle

    def _give_up_ambiguous_session(self) -> None:
        """End the connection because two open messages have the same packet identifier.

        The broker (Mosquitto 2.0.11 with more than 65,535 messages in flight) applies an acknowledgement to the
        older one. If the newer was settled first, it would delete the older one unstored. After reconnecting it
        delivers both again.
        """
        if self._connection is not None:
            self._connection.fail("The broker used a packet identifier that is still open.")

    def _new_connection(self) -> BrokerConnection:
        connect = self._connect_packet(None)
        return BrokerConnection(
            connect, self._limits, self._receive, self._chunk_read, on_oversized=self._receive_oversized
        )

    def _chunk_read(self) -> None:
        self._regulate()

    def _connection_ready(self) -> None:
        self._regulate()

    def _connection_begins(self) -> None:
        self._handle_base += _HANDLES_PER_CONNECTION

    def _forget_connection(self) -> None:
        super()._forget_connection()
        # The broker delivers them again; whatever the intake still settles is stale.
        self._open_messages.clear()
        self._open_bytes = 0
        self._after_settling()

    async def _drain(self) -> None:
        connection = self._connection
        if connection is None:
            return
        # Keep reading, so that the broker's answers arrive: it sends at most `receive_maximum` more messages,
        # which are not accepted.
        connection.resume_reading()
        connection.ended.add_done_callback(lambda _ended: self._all_settled.set())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limits.drain_seconds):
                while self._open_messages and not connection.ended.done():
                    self._all_settled.clear()
                    await self._all_settled.wait()

    # Back-pressure

    @property
    def _too_much_open(self) -> bool:
        # Not at `receive_maximum` itself: a broker that respects it reaches it all the time, and reading would
        # be paused and resumed needlessly.
        return (
            self._open_bytes >= self._limits.max_open_bytes
            or len(self._open_messages) >= 2 * self._limits.receive_maximum
        )

    def _regulate(self) -> None:
        if self._connection is None or self._stopping.is_set():
            return
        saturated = self._intake.saturated
        if saturated and not self._awaiting_relief:
            self._awaiting_relief = True
            self._intake.when_relieved(self._relieved)
        if saturated or self._too_much_open:
            self._connection.pause_reading()
        else:
            self._connection.resume_reading()

    def _relieved(self) -> None:
        self._awaiting_relief = False
        self._regulate()

    def _after_settling(self) -> None:
        if not self._open_messages:
            self._all_settled.set()
        self._regulate()
