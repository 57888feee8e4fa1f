"""One connection of a board: a minimal HTTP/1.1 server for even simpler clients.

This is custom code because the usual servers either reject the firmware's request (it has no Host header), or
spell `content-length` in a way that costs the board a second, or keep an idle connection open forever
(plantkeeper 2.3). Parsing is done by httptools.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol, cast

import httptools
import orjson

from hortus.flow.gateway.limits import ListenerLimits
from hortus.flow.gateway.readings import MOST_BODY_BYTES, RefusedRequest, too_large

_TEXT = "text/plain; version=0.0.4; charset=utf-8"  # the media type of Prometheus' text format


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardRequest:
    """A complete request. `address` is the sender's IP address; `path` excludes the query.

    `says_length`: the sender said where the body ends, so one without bytes is meant to be empty.
    """

    method: str
    path: str
    content_type: str
    body: bytes
    address: str
    says_length: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A response: a status and either a JSON document or a text."""

    status: int
    document: object = None
    text: bytes | None = None

    def encode(self) -> bytes:
        """Return the response's bytes. The spelling of `Content-Length: N` matters to the firmware (D4)."""
        body = orjson.dumps(self.document) + b"\n" if self.text is None else self.text
        content_type = "application/json" if self.text is None else _TEXT
        head = (
            f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}\r\n"
            f"Content-Type: {content_type}\r\n"
            f"Content-Length: {len(body)}\r\n"
            "Connection: close\r\n\r\n"
        )
        return head.encode("ascii") + body


class Desk(Protocol):
    """The server's interface to its connections."""

    limits: ListenerLimits

    def opened(self, connection: BoardConnection) -> None:
        """A connection was opened."""

    def request_ended(self, connection: BoardConnection) -> None:
        """The request of a connection has been received completely."""

    def closed(self, connection: BoardConnection) -> None:
        """A connection was closed."""

    def answer(self, request: BoardRequest) -> Awaitable[Answer]:
        """Return the response to a request."""

    def refused(self, reason: str) -> None:
        """A request was rejected before it was complete."""

    def keep(self, work: asyncio.Task[None]) -> None:
        """Keep a reference to the task of a request until it is done."""


class BoardConnection(asyncio.Protocol):
    """Reads one request, sends the response, and closes the connection."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._parser = httptools.HttpRequestParser(self)
        self._head_bytes = 0
        self._headers_bytes = 0
        self._head_complete = False
        self._target = b""
        self._content_type = ""
        self._says_length = False
        self._waits_for_us = False
        self._body = bytearray()
        self._discarded_bytes = 0
        self._is_complete = False
        self._is_refused = False

    # Called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(self._desk.limits.request_seconds, self._too_slow)
        self._desk.opened(self)

    def data_received(self, data: bytes) -> None:
        """Process the next bytes, which may be split anywhere (D7)."""
        if self._is_complete or self._is_refused:
            self._discarded_bytes += len(data)
            if self._discarded_bytes > self._desk.limits.linger_bytes:
                self._transport.abort()
            return
        if not self._head_complete:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            # Exceptions raised by our callbacks arrive as a parser error, with the original in its context.
            cause = error.__context__
            self._refuse(cause if isinstance(cause, RefusedRequest) else _not_http())
        else:
            if not self._head_complete and self._head_bytes > self._desk.limits.head_bytes:
                self._refuse(_head_too_large())

    def eof_received(self) -> bool:
        """Keep our side open while a request is being answered: some clients half-close early."""
        return self._is_complete

    def connection_lost(self, _error: Exception | None) -> None:
        """Clean up. A reading that is being stored is still stored."""
        self._deadline.cancel()
        self._desk.closed(self)

    # Called by the parser

    def on_url(self, url: bytes) -> None:
        self._target += url
        if len(self._target) > self._desk.limits.head_bytes:
            raise _head_too_large()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers_bytes += len(name) + len(value)
        if self._headers_bytes > self._desk.limits.head_bytes:
            raise _head_too_large()
        match name.lower():
            case b"content-type":
                self._content_type = value.decode("latin-1")
            case b"content-length" | b"transfer-encoding":
                self._says_length = True
                if name.lower() == b"content-length" and int(value) > MOST_BODY_BYTES:
                    raise too_large()
            case b"expect":
                self._waits_for_us = value.strip().lower() == b"100-continue"

    def on_headers_complete(self) -> None:
        """Ask for the body, if the client waits for that (RFC 9110, 10.1.1); HTTP/1.0 does not know it."""
        self._head_complete = True
        if self._waits_for_us and self._parser.get_http_version() != "1.0":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._body += body
        if len(self._body) > MOST_BODY_BYTES:
            raise too_large()

    def on_message_complete(self) -> None:
        """Start answering the request; a second one on this connection is ignored."""
        if self._is_complete:
            return
        self._is_complete = True
        self._deadline.cancel()
        self._desk.request_ended(self)
        request = BoardRequest(
            method=self._parser.get_method().decode("latin-1"),
            path=self._target.partition(b"?")[0].decode("latin-1"),
            content_type=self._content_type,
            body=bytes(self._body),
            says_length=self._says_length,
            address=str(self._transport.get_extra_info("peername")[0]),
        )
        self._desk.keep(asyncio.ensure_future(self._answer(request)))

    # Answering

    async def _answer(self, request: BoardRequest) -> None:
        answer = await self._desk.answer(request)
        self._transport.write(answer.encode())
        self._transport.close()

    def _refuse(self, refusal: RefusedRequest) -> None:
        """Reject the request before it is complete.

        Keeps reading and discarding for a while: closing at once could destroy the response.
        """
        if self._is_complete or self._is_refused:
            return
        self._is_refused = True
        self._deadline.cancel()
        self._desk.refused(refusal.reason)
        self._transport.write(Answer(status=refusal.status, document={"error": str(refusal)}).encode())
        if self._transport.can_write_eof():
            self._transport.write_eof()
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(self._desk.limits.linger_seconds, self._transport.abort)

    def _too_slow(self) -> None:
        if self._head_bytes:
            self._refuse(RefusedRequest(408, "too-slow", "The request took too long to arrive"))
        else:
            self.give_way()

    def give_way(self) -> None:
        """Close without sending a response: nothing was received, or the slot is needed for others."""
        if not self._is_refused:
            self._desk.refused("silent")
        self._transport.abort()


def _not_http() -> RefusedRequest:
    return RefusedRequest(400, "not-http", "This is not a request that can be understood")


def _head_too_large() -> RefusedRequest:
    return RefusedRequest(431, "head-too-large", "The headers are too long")
