"""WebSockets as this server speaks them: bounded in what they take and hold, and never left to linger."""

from __future__ import annotations

import contextlib
import socket
from asyncio.transports import BaseTransport

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

MOST_MESSAGE_BYTES = 16 * 1024
"""Of a message from a client; the longest that means anything carries a token of 2,000 characters."""

PING_SECONDS = 25.0
"""Between pings. One that is not answered in the same time ends the connection."""

_MOST_UNSENT_BYTES = 32 * 1024
# Megabytes in the system's buffer would be minutes of old values for a slow reader.
_SOCKET_BUFFER_BYTES = 64 * 1024
_INVALID_TEXT = 1007


class LiveWebSocketProtocol(WebSocketsSansIOProtocol):
    """Uvicorn's protocol with small buffers, a ping at the start (http-api 5), and an end that is one."""

    def connection_made(self, transport: BaseTransport) -> None:
        """Begin with small buffers, so that a reader who is slow is known to be."""
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=_MOST_UNSENT_BYTES)
        with contextlib.suppress(OSError):  # the peer is gone already
            transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BUFFER_BYTES
            )

    def start_keepalive(self) -> None:
        """Ping at once; the first one shows proxies and clients that the connection works."""
        if self.ping_interval:
            self.send_keepalive_ping()

    def keepalive_timeout(self) -> None:
        """Cut the connection of a peer that does not answer.

        Closing it would wait for what is unsent to be taken, which such a peer may never do.
        """
        super().keepalive_timeout()
        self.transport.abort()

    def send_receive_event_to_app(self) -> None:
        """Refuse what is not UTF-8, as the protocol demands, and without a traceback: anybody may send it."""
        if self.curr_msg_data_type == "text":
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                self.frames = []
                self.conn.fail(_INVALID_TEXT, "not UTF-8")
                self.handle_parser_exception()
                return
        super().send_receive_event_to_app()
