"""WebSockets with limits on message and buffer sizes, and without lingering connections."""

from __future__ import annotations

import contextlib
import socket
from asyncio.transports import BaseTransport

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

MOST_MESSAGE_BYTES = 16 * 1024
"""Size limit of a client's message; the longest meaningful one carries a token of 2,000 characters."""

PING_SECONDS = 25.0
"""Seconds between pings. A ping not answered within the same time closes the connection."""

_MOST_UNSENT_BYTES = 32 * 1024
# Megabytes in the system's buffer would mean minutes of stale values for a slow reader.
_SOCKET_BUFFER_BYTES = 64 * 1024
_INVALID_TEXT = 1007


class LiveWebSocketProtocol(WebSocketsSansIOProtocol):
    """Uvicorn's protocol with small buffers, an initial ping (http-api 5), and a definite close."""

    def connection_made(self, transport: BaseTransport) -> None:
        """Start with small buffers, so that a slow reader is noticed."""
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=_MOST_UNSENT_BYTES)
        with contextlib.suppress(OSError):  # the peer has already disconnected
            transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BUFFER_BYTES
            )

    def start_keepalive(self) -> None:
        """Ping immediately: the first ping shows proxies and clients that the connection works."""
        if self.ping_interval:
            self.send_keepalive_ping()

    def keepalive_timeout(self) -> None:
        """Drop the connection of a peer that does not answer.

        A proper close would wait until the peer has received what is still unsent, which may never happen.
        """
        super().keepalive_timeout()
        self.transport.abort()

    def send_receive_event_to_app(self) -> None:
        """Reject text that is not UTF-8, as the protocol requires, without a traceback: anyone may send it."""
        if self.curr_msg_data_type == "text":
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                self.frames = []
                self.conn.fail(_INVALID_TEXT, "not UTF-8")
                self.handle_parser_exception()
                return
        super().send_receive_event_to_app()
