"""The data types of MQTT: integers, strings and binary data as bytes (MQTT 5, section 1.5)."""

from __future__ import annotations

from hortus.protocol.mqtt.packets.reasons import MqttProtocolError, ReasonCode

MAX_REMAINING_LENGTH = 268_435_455
MAX_STRING_BYTES = 65_535


def malformed(message: str) -> MqttProtocolError:
    """Return the error for bytes that cannot be part of any packet."""
    return MqttProtocolError(ReasonCode.MALFORMED_PACKET, message)


def protocol_error(message: str) -> MqttProtocolError:
    """Return the error for a readable packet that MQTT forbids."""
    return MqttProtocolError(ReasonCode.PROTOCOL_ERROR, message)


def decode_text(raw: bytes) -> str:
    """Decode an MQTT string: UTF-8 without surrogates and without U+0000 (section 1.5.4)."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise malformed("A text in the packet is not valid UTF-8.") from error
    if "\0" in text:
        raise malformed("A text in the packet contains the character U+0000.")
    return text


def decode_topic_name(raw: bytes) -> str:
    """Decode the topic of a PUBLISH, which must not contain wildcards (section 3.3.2.1)."""
    topic = decode_text(raw)
    if "+" in topic or "#" in topic:
        raise MqttProtocolError(
            ReasonCode.TOPIC_NAME_INVALID,
            "A message was published to a topic with a wildcard (+ or #) in it.",
        )
    return topic


class FieldReader:
    """Reads the fields of one packet body in order; every read past its end is a malformed packet."""

    __slots__ = ("_body", "_position")

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._position = 0

    @property
    def remaining(self) -> int:
        """The number of unread bytes."""
        return len(self._body) - self._position

    def take(self, count: int) -> bytes:
        end = self._position + count
        if end > len(self._body):
            raise malformed("The packet ends before its last field.")
        taken = self._body[self._position : end]
        self._position = end
        return taken

    def rest(self) -> bytes:
        """Return all remaining bytes."""
        return self.take(self.remaining)

    def byte(self) -> int:
        """Return an unsigned integer of one byte."""
        return self.take(1)[0]

    def uint16(self) -> int:
        """Return an unsigned integer of two bytes."""
        return int.from_bytes(self.take(2), "big")

    def uint32(self) -> int:
        """Return an unsigned integer of four bytes."""
        return int.from_bytes(self.take(4), "big")

    def variable_integer(self) -> int:
        """Return a variable byte integer; it must be in its shortest form (section 1.5.5)."""
        value = 0
        for shift in (0, 7, 14, 21):
            digit = self.byte()
            value |= (digit & 0x7F) << shift
            if digit < 0x80:
                if shift and not digit:
                    raise malformed("A variable byte integer is not in its shortest form.")
                return value
        raise malformed("A variable byte integer is longer than four bytes.")

    def binary(self) -> bytes:
        """Return binary data, which is preceded by its two-byte length."""
        return self.take(self.uint16())

    def text(self) -> str:
        """Return a UTF-8 string, which is preceded by its two-byte length."""
        return decode_text(self.binary())

    def packet_id(self) -> int:
        """Return a packet identifier, which is never 0 (section 2.2.1)."""
        packet_id = self.uint16()
        if not packet_id:
            raise protocol_error("A packet identifier is 0.")
        return packet_id

    def expect_end(self) -> None:
        """Raise if there are bytes after the last field."""
        if self.remaining:
            raise malformed("The packet has bytes behind its last field.")


def encode_variable_integer(value: int) -> bytes:
    """Encode a variable byte integer in its shortest form."""
    if value < 0x80:
        return bytes((value,))
    if value > MAX_REMAINING_LENGTH:
        raise MqttProtocolError(
            ReasonCode.PACKET_TOO_LARGE, f"{value} is more than MQTT can express ({MAX_REMAINING_LENGTH})."
        )
    digits = bytearray()
    while value >= 0x80:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    digits.append(value)
    return bytes(digits)


def encode_uint16(value: int) -> bytes:
    """Encode an unsigned integer of two bytes."""
    return value.to_bytes(2, "big")


def encode_packet_id(packet_id: int) -> bytes:
    """Encode a packet identifier; 0 is invalid."""
    if not 0 < packet_id <= 0xFFFF:
        raise protocol_error(f"{packet_id} is not a packet identifier (1 to 65535).")
    return packet_id.to_bytes(2, "big")


def encode_binary(data: bytes) -> bytes:
    """Encode binary data, preceded by its length."""
    if len(data) > MAX_STRING_BYTES:
        raise malformed(f"A field of {len(data)} bytes is longer than MQTT allows ({MAX_STRING_BYTES} bytes).")
    return len(data).to_bytes(2, "big") + data


def encode_text(text: str) -> bytes:
    """Encode a UTF-8 string, preceded by its length."""
    if "\0" in text:
        raise malformed("A text with the character U+0000 cannot be sent.")
    try:
        return encode_binary(text.encode())
    except UnicodeEncodeError as error:
        raise malformed("A text with half a surrogate pair cannot be sent.") from error
