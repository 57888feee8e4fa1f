"""The few MQTT 3.1.1 packets that a kit sends and understands, written anew from the standard.

Deliberately not those of `hortus.protocol.mqtt`: a mistake there must not be able to hide itself in the tests.
Source: OASIS, MQTT Version 3.1.1, sections 2 and 3.
"""

from __future__ import annotations

import struct

CONNACK, PUBLISH, PUBACK, PUBREC, PUBCOMP = 2, 3, 4, 5, 7
PINGREQ = b"\xc0\x00"

_USER_NAME_PASSWORD_CLEAN_SESSION = 0xC2


def connect_packet(username: str, password: str, keep_alive_seconds: int) -> bytes:
    """Return CONNECT as the kit sends it: 3.1.1, empty client id, clean session, no will."""
    header = _text("MQTT") + struct.pack(">BBH", 4, _USER_NAME_PASSWORD_CLEAN_SESSION, keep_alive_seconds)
    return _packet(0x10, header + _text("") + _text(username) + _text(password))


def publish_packet(topic: str, payload: bytes, qos: int, packet_id: int, *, again: bool) -> bytes:
    """Return PUBLISH of QoS 1 or 2; `again` sets DUP."""
    first = 0x30 | qos << 1 | (0x08 if again else 0)
    return _packet(first, _text(topic) + struct.pack(">H", packet_id) + payload)


def subscribe_packet(topic: str, packet_id: int) -> bytes:
    """Return SUBSCRIBE at QoS 1."""
    return _packet(0x82, struct.pack(">H", packet_id) + _text(topic) + b"\x01")


def pubrel_packet(packet_id: int) -> bytes:
    """Return PUBREL, the second step of QoS 2."""
    return struct.pack(">BBH", 0x62, 2, packet_id)


def packet_id_of(body: bytes) -> int:
    """Return the packet identifier that an acknowledgement is for."""
    return int(struct.unpack(">H", body[:2])[0])


class PacketSplitter:
    """Cuts the bytes of a connection into packets: pairs of type and body."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Take bytes; return the packets that are complete now."""
        self._buffer += data
        packets = []
        while (found := self._first()) is not None:
            start, end = found
            packets.append((self._buffer[0] >> 4, self._buffer[start:end]))
            self._buffer = self._buffer[end:]
        return packets

    def _first(self) -> tuple[int, int] | None:
        length, shift = 0, 0
        for position in range(1, min(5, len(self._buffer))):
            digit = self._buffer[position]
            length |= (digit & 0x7F) << shift
            shift += 7
            if digit < 0x80:
                end = position + 1 + length
                return (position + 1, end) if len(self._buffer) >= end else None
        return None


def _text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack(">H", len(raw)) + raw


def _packet(first: int, body: bytes) -> bytes:
    length, rest = b"", len(body)
    while True:
        rest, digit = divmod(rest, 128)
        length += bytes([digit | 0x80 if rest else digit])
        if not rest:
            return bytes([first]) + length + body
