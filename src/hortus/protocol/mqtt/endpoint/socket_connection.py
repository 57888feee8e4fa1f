"""The byte side of a connection: reading, with reasons to pause it, and collected writing."""

from __future__ import annotations

import asyncio
from enum import IntFlag
from typing import cast

from hortus.protocol.mqtt.endpoint.limits import EndpointLimits

# Above this, collected bytes are written immediately, so that a burst is not copied as one piece.
_FLUSH_BYTES = 64 * 1024


class Pause(IntFlag):
    """Why reading is paused. Reading resumes when no reason is left."""

    NONE = 0
    LOGIN = 1
    GATE = 2
    UNSETTLED = 4
    UPLOAD = 8
    STOPPING = 16


class SocketConnection(asyncio.Protocol):
    """One TCP or TLS connection."""

    def __init__(self, limits: EndpointLimits, loop: asyncio.AbstractEventLoop) -> None:
        self._limits = limits
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._pauses = Pause.NONE
        self._outgoing = bytearray()
        self._flush_is_scheduled = False
        self._peer_is_slow = False
        self._unread_answer_bytes = 0
        self._closing_deadline: float | None = None
        self.last_heard_at = loop.time()
        self.peer_address = ""

    @property
    def is_closing(self) -> bool:
        """Whether reading and sending have stopped for good."""
        return self._closing_deadline is not None

    @property
    def can_write(self) -> bool:
        """Whether the peer keeps up with the data sent to it."""
        return not self._peer_is_slow and self._closing_deadline is None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Set up a new connection."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=self._limits.max_unsent_bytes)
        peer = transport.get_extra_info("peername")
        self.peer_address = str(peer[0]) if peer else "unknown"

    def pause(self, reason: Pause) -> None:
        """Pause reading for this reason."""
        transport = self._usable_transport()
        if not self._pauses and transport is not None:
            transport.pause_reading()
        self._pauses |= reason

    def resume(self, reason: Pause) -> None:
        """Remove a reason; resume reading if it was the last one."""
        if not self._pauses & reason:
            return
        self._pauses &= ~reason
        transport = self._usable_transport()
        if not self._pauses and transport is not None:
            # Silence while reading was paused proves nothing about the peer.
            self.last_heard_at = self._loop.time()
            transport.resume_reading()

    def send(self, data: bytes) -> None:
        """Send bytes in order; everything sent in one turn of the event loop goes out in one write."""
        if self._closing_deadline is not None:
            return
        self._outgoing += data
        if len(self._outgoing) > _FLUSH_BYTES:
            self.flush()
        elif not self._flush_is_scheduled:
            self._flush_is_scheduled = True
            self._loop.call_soon(self._scheduled_flush)

    def send_answer(self, data: bytes) -> None:
        """Send an acknowledgement or other answer. A peer that never reads them is disconnected."""
        if self._peer_is_slow:
            self._unread_answer_bytes += len(data)
            if self._unread_answer_bytes > self._limits.max_unread_answer_bytes:
                self.abort()
                return
        self.send(data)

    def flush(self) -> None:
        """Write the collected bytes."""
        transport = self._usable_transport()
        if transport is not None and self._outgoing:
            transport.write(bytes(self._outgoing))
        self._outgoing.clear()

    def _usable_transport(self) -> asyncio.Transport | None:
        """Return the transport, or None as soon as the connection breaks.

        uvloop raises on a broken transport, even before it has called `connection_lost`.
        """
        transport = self._transport
        return transport if transport is not None and not transport.is_closing() else None

    def _scheduled_flush(self) -> None:
        self._flush_is_scheduled = False
        self.flush()

    def pause_writing(self) -> None:
        """The peer reads too slowly."""
        self._peer_is_slow = True

    def resume_writing(self) -> None:
        """The peer has caught up."""
        self._peer_is_slow = False
        self._unread_answer_bytes = 0

    def close_link(self) -> None:
        """Send collected bytes, then close; the peer has a bounded time to read them."""
        if self.is_closing:
            return
        self.flush()
        self._closing_deadline = self._loop.time() + self._limits.close_timeout_seconds
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close without sending collected bytes."""
        if self._closing_deadline is None:
            self._closing_deadline = self._loop.time()
        self._outgoing.clear()
        if self._transport is not None:
            self._transport.abort()

    def abort_if_overdue(self, now: float) -> None:
        """Abort if the peer does not read its last bytes in time."""
        if self._closing_deadline is not None and now > self._closing_deadline:
            self.abort()
