"""QoS 1 and 2 messages until the server has accepted them. Pure: bytes out, packets in, times given.

Behaves like the MQTT library of kit 1.0.0b8 (kit-mqtt 1.1): at most 20 messages in flight, the others wait in
order; without an answer a message is sent again with DUP after 20 s on the same connection; after a reconnect
everything unfinished is sent again in full, although the session is clean.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto

from hortus.protocol.mqtt.packets import (
    MQTT_3_1_1,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    encode,
    encode_pubrel,
)
from hortus.simulator.report import SentReading


class _Awaits(Enum):
    PUBACK = auto()
    PUBREC = auto()
    PUBCOMP = auto()


@dataclass(slots=True, kw_only=True)
class _Message:
    topic: str
    payload: bytes
    qos: int
    reading: SentReading | None
    awaits: _Awaits = _Awaits.PUBACK
    sent_seconds: float = 0.0
    taken_over: bool = False
    was_sent: bool = False


class KitOutbox:
    """The unfinished messages of one kit.

    Methods that return bytes return the data to write to the connection now; times are from a monotonic clock,
    in seconds. `on_taken_over` is called with the reading of a message when the server first acknowledges it.
    """

    def __init__(
        self,
        *,
        window: int,
        capacity: int,
        retry_seconds: float,
        on_taken_over: Callable[[SentReading], None],
    ) -> None:
        self._window = window
        self._capacity = capacity
        self._retry_seconds = retry_seconds
        self._on_taken_over = on_taken_over
        self._waiting: deque[_Message] = deque()
        self._in_flight: dict[int, _Message] = {}
        self._last_packet_id = 0
        self.retransmissions = 0

    @property
    def unfinished(self) -> int:
        """The number of messages in flight or queued."""
        return len(self._waiting) + len(self._in_flight)

    def add(self, topic: str, payload: bytes, qos: int, reading: SentReading | None) -> bool:
        """Queue a message; return False, and drop it, if the queue is full."""
        if len(self._waiting) >= self._capacity:
            return False
        self._waiting.append(_Message(topic=topic, payload=payload, qos=qos, reading=reading))
        return True

    def fill_window(self, now_seconds: float) -> bytes:
        """Send as many queued messages as the window allows."""
        packets = []
        while self._waiting and len(self._in_flight) < self._window:
            message = self._waiting.popleft()
            packet_id = self.next_packet_id()
            self._in_flight[packet_id] = message
            packets.append(self._publish(packet_id, message, now_seconds))
        return b"".join(packets)

    def resume(self, now_seconds: float) -> bytes:
        """Continue on a new connection: resend messages in flight in full, in order, then fill the window."""
        packets = [
            self._publish(packet_id, message, now_seconds) for packet_id, message in self._in_flight.items()
        ]
        return b"".join(packets) + self.fill_window(now_seconds)

    def take(self, packet: Puback | Pubrec | Pubcomp, now_seconds: float) -> bytes:
        """Handle an acknowledgement; those that no message awaits are ignored, but a PUBREC is answered."""
        message = self._in_flight.get(packet.packet_id)
        if isinstance(packet, Pubrec):
            if message is not None and message.awaits is not _Awaits.PUBACK:
                self._taken_over(message)
                message.awaits = _Awaits.PUBCOMP
                message.sent_seconds = now_seconds
            return encode_pubrel(packet.packet_id)
        expected = _Awaits.PUBACK if isinstance(packet, Puback) else _Awaits.PUBCOMP
        if message is None or message.awaits is not expected:
            return b""
        self._taken_over(message)
        del self._in_flight[packet.packet_id]
        return self.fill_window(now_seconds)

    def overdue(self, now_seconds: float) -> bytes:
        """Resend messages that have had no answer for the retry time."""
        return b"".join(self._send_overdue(now_seconds))

    def next_retry_seconds(self) -> float | None:
        """Return when the next message is overdue, or None if nothing is in flight."""
        if not self._in_flight:
            return None
        return self._retry_seconds + min(message.sent_seconds for message in self._in_flight.values())

    def next_packet_id(self) -> int:
        """Return a packet identifier that no message in flight uses."""
        while True:
            self._last_packet_id = self._last_packet_id % 65_535 + 1
            if self._last_packet_id not in self._in_flight:
                return self._last_packet_id

    def _send_overdue(self, now_seconds: float) -> Iterator[bytes]:
        for packet_id, message in self._in_flight.items():
            if message.sent_seconds + self._retry_seconds > now_seconds:
                continue
            if message.awaits is _Awaits.PUBCOMP:
                message.sent_seconds = now_seconds
                self.retransmissions += 1
                yield encode_pubrel(packet_id)
            else:
                yield self._publish(packet_id, message, now_seconds)

    def _publish(self, packet_id: int, message: _Message, now_seconds: float) -> bytes:
        duplicate = message.was_sent
        if duplicate:
            self.retransmissions += 1
        message.was_sent = True
        message.sent_seconds = now_seconds
        # After a reconnect the QoS 2 handshake starts over, whatever had been answered before.
        message.awaits = _Awaits.PUBACK if message.qos == 1 else _Awaits.PUBREC
        return encode(
            Publish(
                topic=message.topic,
                payload=message.payload,
                qos=message.qos,
                packet_id=packet_id,
                duplicate=duplicate,
            ),
            MQTT_3_1_1,
        )

    def _taken_over(self, message: _Message) -> None:
        if not message.taken_over:
            message.taken_over = True
            if message.reading is not None:
                self._on_taken_over(message.reading)
