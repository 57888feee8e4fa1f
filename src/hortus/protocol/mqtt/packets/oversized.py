"""Reception of a PUBLISH that is too large to be held in memory."""

from __future__ import annotations

from hortus.protocol.mqtt.packets.values import Publish

# A topic may take 64 KiB; the rest is for properties and the first bytes of the payload.
_BEGINNING_BYTES = 128 * 1024


class OversizedPacket:
    """Keeps the beginning of one packet and counts the rest of its bytes.

    The beginning is complete after a number of bytes that does not depend on how they were chunked. The reader
    parses it and sets `publish`.
    """

    def __init__(self, packet_bytes: int) -> None:
        self.packet_bytes = packet_bytes
        self.missing_bytes = packet_bytes
        self.publish: Publish | None = None
        self.payload_bytes = 0
        self._beginning = bytearray()
        self._wanted_bytes = min(packet_bytes, _BEGINNING_BYTES)

    @property
    def held_bytes(self) -> int:
        """The number of bytes currently held."""
        return len(self._beginning) if self.publish is None else len(self.publish.payload)

    def take(self, data: bytes) -> bytes:
        """Consume the bytes of this packet; return the bytes after it."""
        if self.publish is None:
            self._beginning += data[: self._wanted_bytes - len(self._beginning)]
        rest = data[self.missing_bytes :]
        self.missing_bytes -= len(data) - len(rest)
        return rest

    def beginning(self) -> bytes | None:
        """Return the beginning once complete, and release it. Returns None before and afterwards."""
        if self.publish is not None or len(self._beginning) < self._wanted_bytes:
            return None
        beginning, self._beginning = bytes(self._beginning), bytearray()
        return beginning
