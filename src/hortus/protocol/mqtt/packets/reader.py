"""Incremental parsing of a connection's bytes into packets."""

from __future__ import annotations

from io import BytesIO

from hortus.protocol.mqtt.packets.decoding import decode_packet
from hortus.protocol.mqtt.packets.oversized import OversizedPacket
from hortus.protocol.mqtt.packets.primitives import (
    FieldReader,
    decode_topic_name,
    malformed,
    protocol_error,
)
from hortus.protocol.mqtt.packets.properties import NO_PROPERTIES, PropertyPlace, decode_properties
from hortus.protocol.mqtt.packets.reasons import MqttProtocolError, PacketTooLargeError, ReasonCode
from hortus.protocol.mqtt.packets.values import (
    MQTT_3_1_1,
    MQTT_5,
    Connect,
    OversizedPublish,
    Packet,
    PacketType,
    Publish,
)

# A kit publishes on five topics; a client that receives from thousands of kits sees five of each. The cache is
# cleared when full, so that a stream of ever new topics costs a decode each but no memory.
_MAX_CACHED_TOPICS = 4096
_MAX_CACHED_TOPIC_BYTES = 64

_LARGE_PACKET_BYTES = 64 * 1024

_KINDS = {kind.value: kind.name for kind in PacketType}

_new_publish = tuple.__new__


class PacketReader:
    """Collects the bytes of one connection and returns each packet once it is complete.

    A packet over `max_packet_bytes` (fixed header included) is refused by its header, before its body is
    buffered. With `oversized_head_bytes`, a PUBLISH is not refused: it becomes an OversizedPublish with at most
    that many bytes of its payload, and the rest is never held in memory. Limits and level may be changed
    between two calls of `feed`. `feed` stops after a CONNECT and keeps the rest: how to read that depends on
    who connects; `feed(b"")` continues. `protocol_level` is set from the CONNECT.
    """

    def __init__(
        self,
        max_packet_bytes: int,
        protocol_level: int = MQTT_3_1_1,
        *,
        oversized_head_bytes: int | None = None,
    ) -> None:
        self.max_packet_bytes = max_packet_bytes
        self.protocol_level = protocol_level
        self.oversized_head_bytes = oversized_head_bytes
        self._chunks: list[bytes] = []
        self._large: tuple[Publish, BytesIO] | None = None
        self._oversized: OversizedPacket | None = None
        self._buffered_bytes = 0
        self._awaited_bytes = 0
        self._topics: dict[bytes, str] = {}
        self.packets_before_error: list[Packet] = []
        """After `feed` has raised: the valid packets of that call, which must not be lost."""

    @property
    def buffered_bytes(self) -> int:
        """The number of bytes held of an incomplete packet."""
        return self._buffered_bytes + (self._oversized.held_bytes if self._oversized is not None else 0)

    @property
    def awaited_bytes(self) -> int:
        """The length of the packet being collected, or 0 if there is none or its length is not known yet."""
        return self._awaited_bytes

    def feed(self, data: bytes) -> list[Packet]:
        """Consume bytes from the connection; return the packets that are now complete, in order.

        Raises MqttProtocolError if the data violates MQTT; `packets_before_error` then holds the valid packets
        of this call, and the reader must not be used again.
        """
        if self._large is not None:
            return self._feed_large(*self._large, data)
        if self._oversized is not None:
            return self._feed_oversized(self._oversized, data)
        if self._chunks:
            # A packet arrives in several chunks; they are joined once, when the last one is here.
            self._chunks.append(data)
            self._buffered_bytes += len(data)
            if self._buffered_bytes < self._awaited_bytes:
                return []
            data = b"".join(self._chunks)
            self._chunks = []
        packets: list[Packet] = []
        try:
            consumed = self._read(data, packets)
        except MqttProtocolError:
            self.packets_before_error = packets
            raise
        if consumed < len(data) and self._oversized is None:
            self._keep(data[consumed:])
            return packets
        self._chunks = []
        self._buffered_bytes = 0
        return packets if consumed == len(data) else self._go_on(packets, data[consumed:])

    def _go_on(self, packets: list[Packet], rest: bytes) -> list[Packet]:
        """Return these packets, and those in the bytes after them."""
        if not rest:
            return packets
        try:
            return packets + self.feed(rest)
        except MqttProtocolError:
            self.packets_before_error = packets + self.packets_before_error
            raise

    def _keep(self, rest: bytes) -> None:
        """Keep the beginning of a packet. Of a large message only the payload is collected, in one buffer.

        Joining chunks at the end and slicing the payload out of the result would take three times the memory.
        """
        self._chunks = [rest]
        self._buffered_bytes = len(rest)
        if self._awaited_bytes <= _LARGE_PACKET_BYTES or rest[0] & 0xF0 != 0x30:
            return
        try:
            _, body = _remaining_length(rest, 0)
            begun = self._publish(rest, rest[0], body, len(rest))
        except MqttProtocolError:
            return  # the part before the payload is incomplete or wrong; an error is raised later
        collected = BytesIO()
        collected.write(begun.payload)
        self._large = begun._replace(payload=b""), collected
        self._chunks = []

    def _feed_large(self, begun: Publish, collected: BytesIO, data: bytes) -> list[Packet]:
        """Consume further bytes of a large message; once it is complete, continue with the bytes after it."""
        room = self._awaited_bytes - self._buffered_bytes
        rest = data[room:]
        collected.write(data if not rest else data[:room])
        self._buffered_bytes += len(data) - len(rest)
        if len(data) < room:
            return []
        self._large = None
        self._buffered_bytes = self._awaited_bytes = 0
        # Not copied: the value and the collected bytes are the same object.
        return self._go_on([begun._replace(payload=collected.getvalue())], rest)

    def _feed_oversized(self, oversized: OversizedPacket, data: bytes) -> list[Packet]:
        """Consume further bytes of an oversized message; once complete, continue with the bytes after it."""
        rest = oversized.take(data)
        beginning = oversized.beginning()
        if beginning is not None:
            self._begin_oversized(oversized, beginning)
        if oversized.missing_bytes:
            return []
        self._oversized = None
        assert oversized.publish is not None  # the beginning is complete when the packet is, at the latest
        return self._go_on(
            [OversizedPublish(publish=oversized.publish, payload_bytes=oversized.payload_bytes)], rest
        )

    def _begin_oversized(self, oversized: OversizedPacket, beginning: bytes) -> None:
        """Parse the part before the payload. If it cannot be parsed, no part of the message is kept."""
        try:
            _, body = _remaining_length(beginning, 0)
            publish = self._publish(beginning, beginning[0], body, len(beginning))
        except MqttProtocolError as error:
            raise self._too_large(beginning[0], oversized.packet_bytes) from error
        payload_at = len(beginning) - len(publish.payload)
        oversized.payload_bytes = oversized.packet_bytes - payload_at
        oversized.publish = publish._replace(payload=publish.payload[: self.oversized_head_bytes])

    def _too_large(self, first: int, packet_bytes: int) -> PacketTooLargeError:
        kind = _KINDS.get(first >> 4, "packet of an unknown kind")
        return PacketTooLargeError(kind, packet_bytes, self.max_packet_bytes)

    def _read(self, data: bytes, packets: list[Packet]) -> int:
        """Append the complete packets of `data`; return how many bytes they took."""
        position = 0
        end = len(data)
        self._awaited_bytes = 0
        while end - position >= 2:
            first = data[position]
            length = data[position + 1]
            body = position + 2
            if length & 0x80:
                length, body = _remaining_length(data, position)
                if not body:
                    break
            body_end = body + length
            if body_end - position > self.max_packet_bytes:
                if first & 0xF0 != 0x30 or self.oversized_head_bytes is None:
                    raise self._too_large(first, body_end - position)
                self._oversized = OversizedPacket(body_end - position)
                break
            if body_end > end:
                self._awaited_bytes = body_end - position
                break
            if first & 0xF0 == 0x30:
                packets.append(self._publish(data, first, body, body_end))
                position = body_end
                continue
            packet = decode_packet(first, data[body:body_end], self.protocol_level)
            packets.append(packet)
            position = body_end
            if type(packet) is Connect:
                self.protocol_level = packet.protocol_level
                break
        return position

    def _publish(self, data: bytes, first: int, position: int, end: int) -> Publish:
        """Return the PUBLISH whose body is `data[position:end]` (section 3.3)."""
        payload_at = position + 2
        if payload_at > end:
            raise malformed("A PUBLISH is too short for its topic.")
        topic_at = payload_at
        payload_at += data[position] << 8 | data[position + 1]
        if payload_at > end:
            raise malformed("A PUBLISH is too short for its topic.")
        raw_topic = data[topic_at:payload_at]
        topic = self._topics.get(raw_topic)
        if topic is None:
            topic = self._remember_topic(raw_topic)
        qos = first >> 1 & 3
        packet_id = 0
        if qos:
            if qos == 3:
                raise malformed("A PUBLISH has QoS 3, which does not exist.")
            if payload_at + 2 > end:
                raise malformed("A PUBLISH is too short for its packet identifier.")
            packet_id = data[payload_at] << 8 | data[payload_at + 1]
            payload_at += 2
            if not packet_id:
                raise protocol_error("A packet identifier is 0.")
        elif first & 8:
            raise malformed("A PUBLISH of QoS 0 is marked as a duplicate.")
        properties = NO_PROPERTIES
        if self.protocol_level == MQTT_5:
            if payload_at < end and not data[payload_at]:
                payload_at += 1
            else:
                cursor = FieldReader(data[payload_at:end])
                properties = decode_properties(cursor, PropertyPlace.PUBLISH)
                payload_at = end - cursor.remaining
        if not topic and properties.topic_alias is None:
            raise MqttProtocolError(ReasonCode.TOPIC_NAME_INVALID, "A message was published without a topic.")
        return _new_publish(
            Publish, (topic, data[payload_at:end], qos, packet_id, first & 1 == 1, first & 8 == 8, properties)
        )

    def _remember_topic(self, raw_topic: bytes) -> str:
        topic = decode_topic_name(raw_topic)
        if len(raw_topic) <= _MAX_CACHED_TOPIC_BYTES:
            if len(self._topics) >= _MAX_CACHED_TOPICS:
                self._topics.clear()
            self._topics[raw_topic] = topic
        return topic


def _remaining_length(data: bytes, position: int) -> tuple[int, int]:
    """Return the length of a packet's body and where it begins (0 if the header is incomplete)."""
    length = 0
    for index in range(4):
        at = position + 1 + index
        if at >= len(data):
            return 0, 0
        digit = data[at]
        length |= (digit & 0x7F) << 7 * index
        if digit < 0x80:
            if index and not digit:
                raise malformed("The length of a packet is not in its shortest form.")
            return length, at + 1
    raise malformed("The length of a packet is longer than four bytes.")
