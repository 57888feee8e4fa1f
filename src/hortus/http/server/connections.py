"""HTTP connections as this server holds them: bounded in what they send and in how long they say nothing.

Uvicorn takes any number of header bytes, and waits for ever for a request that was begun or never sent. A
stranger who opens as many connections as there may be would be the last to be served.
"""

from __future__ import annotations

import asyncio
from asyncio.transports import BaseTransport

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 20.0
"""In which the headers of a request have to be there."""

MOST_HEAD_BYTES = 64 * 1024
"""Of the headers of a request. What is sent around its body (the sizes of chunks, trailers) may be as much."""

_MOST_BYTES_AROUND_BODY_BYTE = 8
# So many places stay free for those who come next.
_SPARE_CONNECTIONS = 16


class BoundedHttpProtocol(HttpToolsProtocol):
    """Uvicorn's protocol with limits. When there are too many, who keeps us waiting longest makes room."""

    def connection_made(self, transport: BaseTransport) -> None:
        """Begin to wait for a request."""
        self.waits_since: float | None = self.loop.time()
        self._head_is_due: asyncio.TimerHandle | None = None
        self._bytes_around_body = 0
        self._body_bytes = 0
        self._body_bytes_of_all = 0
        super().connection_made(transport)  # type: ignore[arg-type]  # it is one of sockets
        self._expect_head()
        if self.limit_concurrency is not None:
            self._make_room(self.limit_concurrency - _SPARE_CONNECTIONS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self.waits_since = None
        self._head_is_here()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what was sent, unless it is more than any request of ours needs."""
        body_bytes = self._body_bytes_of_all
        super().data_received(data)
        if self.waits_since is None or self.transport.is_closing():
            return
        self._bytes_around_body += len(data) - (self._body_bytes_of_all - body_bytes)
        if self._bytes_around_body > MOST_HEAD_BYTES + _MOST_BYTES_AROUND_BODY_BYTE * self._body_bytes:
            self.send_400_response("The headers of the request are too long.")

    def on_message_begin(self) -> None:
        """Wait for the headers of a request that has begun."""
        super().on_message_begin()
        self._bytes_around_body = self._body_bytes = 0
        self.waits_since = self.waits_since or self.loop.time()
        self._expect_head()

    def on_headers_complete(self) -> None:
        """Wait no longer for the headers."""
        self._head_is_here()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Count what is no overhead."""
        self._body_bytes += len(body)
        self._body_bytes_of_all += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Wait no longer: it is the client who waits for us now."""
        self.waits_since = None
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
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
        """End it without a word: whoever sends nothing may not listen either."""
        self.waits_since = None
        self.transport.abort()

    def _make_room(self, most: int) -> None:
        """If there are more than so many, end that which keeps us waiting longest."""
        if len(self.connections) <= most:
            return
        others = (
            each for each in self.connections if isinstance(each, BoundedHttpProtocol) and each is not self
        )
        waiting = {each: each.waits_since for each in others if each.waits_since is not None}
        if waiting:
            min(waiting, key=waiting.__getitem__).end()
