"""HTTP connections with limits on the size of requests and on how long a client may stay silent.

Uvicorn accepts any number of header bytes, and waits forever for a request that was started or never sent. A
client that opened as many connections as the server allows would lock everyone else out.
"""

from __future__ import annotations

import asyncio
from asyncio.transports import BaseTransport

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 20.0
"""Time limit for receiving the headers of a request."""

MOST_HEAD_BYTES = 64 * 1024
"""Size limit of a request's headers. The overhead around its body (chunk sizes, trailers) has the same one."""

ABORT = "hortus.abort"
"""Key in the scope of a request: a function that closes its connection without completing the response."""

_MOST_BYTES_AROUND_BODY_BYTE = 8
# Connections kept free for new clients.
_SPARE_CONNECTIONS = 16


class BoundedHttpProtocol(HttpToolsProtocol):
    """Uvicorn's protocol with limits. If there are too many connections, the longest waiting one is closed."""

    def connection_made(self, transport: BaseTransport) -> None:
        """Start waiting for a request."""
        self.waits_since: float | None = self.loop.time()
        self._head_is_due: asyncio.TimerHandle | None = None
        self._bytes_around_body = 0
        self._body_bytes = 0
        self._body_bytes_of_all = 0
        super().connection_made(transport)  # type: ignore[arg-type]  # a socket transport
        self._expect_head()
        if self.limit_concurrency is not None:
            self._make_room(self.limit_concurrency - _SPARE_CONNECTIONS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self.waits_since = None
        self._head_is_here()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Receive data, unless it is more overhead than any legitimate request needs."""
        body_bytes = self._body_bytes_of_all
        super().data_received(data)
        if self.waits_since is None or self.transport.is_closing():
            return
        self._bytes_around_body += len(data) - (self._body_bytes_of_all - body_bytes)
        if self._bytes_around_body > MOST_HEAD_BYTES + _MOST_BYTES_AROUND_BODY_BYTE * self._body_bytes:
            self.send_400_response("The headers of the request are too long.")

    def on_message_begin(self) -> None:
        """Start the time limit for the headers of a new request."""
        super().on_message_begin()
        self._bytes_around_body = self._body_bytes = 0
        self.waits_since = self.waits_since or self.loop.time()
        self._expect_head()

    def on_headers_complete(self) -> None:
        """Cancel the time limit for the headers."""
        self._head_is_here()
        self.scope[ABORT] = self.end  # type: ignore[literal-required]
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Count the bytes of the body, which are not overhead."""
        self._body_bytes += len(body)
        self._body_bytes_of_all += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Stop waiting: the client is now waiting for us."""
        self.waits_since = None
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Start waiting for the next request."""
        self.waits_since = self.waits_since or self.loop.time()
        super().on_response_complete()

    def _expect_head(self) -> None:
        if self._head_is_due is None:
            self._head_is_due = self.loop.call_later(HEAD_SECONDS, self.end)

    def _head_is_here(self) -> None:
        if self._head_is_due is not None:
            self._head_is_due.cancel()
            self._head_is_due = None

    def end(self) -> None:
        """Close the connection without sending a response: a client that sends nothing may not read either."""
        self.waits_since = None
        self.transport.abort()

    def _make_room(self, most: int) -> None:
        """If there are more connections than this, close the one that has kept us waiting longest."""
        if len(self.connections) <= most:
            return
        others = (
            each for each in self.connections if isinstance(each, BoundedHttpProtocol) and each is not self
        )
        waiting = {each: each.waits_since for each in others if each.waits_since is not None}
        if waiting:
            min(waiting, key=waiting.__getitem__).end()
