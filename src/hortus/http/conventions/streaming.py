"""Streaming of content that is generated on the fly, so that nobody mistakes a part of it for the whole.

The body has no announced length and is sent in chunks (RFC 9112, 7.1). If it cannot be completed, the
connection is closed without the last chunk, which every client reports as an error.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hortus.base.errors import HortusError, describe_error
from hortus.http.conventions.head_requests import is_without_body
from hortus.http.conventions.media_delivery import disposition
from hortus.http.conventions.problems import Problem
from hortus.http.server.connections import ABORT

log = logging.getLogger(__name__)

_PIECE_BYTES = 64 * 1024
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


_NEEDS_CHUNKS = Problem(
    505,
    detail="The length of this download is not known beforehand, and HTTP/1.0 cannot read it in chunks. "
    "Use HTTP/1.1; nginx does with `proxy_http_version 1.1;`.",
)


class ReceiverTooSlow(HortusError):
    """The client accepts no data."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the receiver accepted no data for {seconds:.0f} s")


class StreamedReply(Response):
    """A streamed body. `resources` are what it is generated from; they are always released at the end.

    A HortusError while generating it aborts the body; so does a client that accepts no data for `idle_seconds`.
    """

    def __init__(
        self,
        pieces: AsyncIterator[bytes],
        resources: AsyncExitStack,
        *,
        media_type: str,
        filename: str,
        idle_seconds: float,
    ) -> None:
        super().__init__(
            media_type=None,
            headers={"Content-Type": media_type, "Content-Disposition": attachment(filename)},
        )
        del self.headers["content-length"]
        self._pieces = pieces
        self._resources = resources
        self._idle_seconds = idle_seconds
        self._name = filename

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send everything, unless the client disconnects first."""
        async with self._resources:
            if is_without_body(scope):
                await self._send_headers(send)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                return
            if scope.get("http_version") == "1.0":
                await _NEEDS_CHUNKS.response()(scope, receive, send)
                return
            sending = asyncio.create_task(self._send(send, scope.get(ABORT)))
            gone = asyncio.create_task(_until_gone(receive))
            try:
                await asyncio.wait({sending, gone}, return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:
                # Happens only when the server stops. The connection is closed, which tells the client; raising
                # it would report it as an error of ours.
                log.warning("%s was aborted: the server is stopping", self._name)
            finally:
                sending.cancel()
                gone.cancel()
                ended = await asyncio.gather(sending, gone, return_exceptions=True)
            if isinstance(ended[0], Exception):
                raise ended[0]

    async def _send(self, send: Send, abort: Callable[[], None] | None) -> None:
        await self._send_headers(send)
        try:
            async with aclosing(self._pieces) as pieces:  # type: ignore[type-var]  # a generator
                async for piece in pieces:
                    for start in range(0, len(piece), _PIECE_BYTES):
                        await self._send_piece(send, piece[start : start + _PIECE_BYTES])
        except HortusError as error:
            log.warning("%s was aborted: %s", self._name, describe_error(error))
            if abort is not None:
                abort()
                # Until the server has noticed: it reports a response that ends before its last chunk.
                await asyncio.Event().wait()
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_headers(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})

    async def _send_piece(self, send: Send, piece: bytes) -> None:
        message: dict[str, Any] = {"type": "http.response.body", "body": piece, "more_body": True}
        try:
            async with asyncio.timeout(self._idle_seconds):
                await send(message)
        except TimeoutError as error:
            raise ReceiverTooSlow(self._idle_seconds) from error


def attachment(filename: str) -> str:
    """Return the Content-Disposition of a file download; usual names without quotes (http-api 4.9)."""
    if _TOKEN.fullmatch(filename):
        return f"attachment; filename={filename}"
    return disposition(filename)


def bytes_reply(content: bytes, filename: str) -> Response:
    """Return bytes of unknown origin as a download that no browser renders."""
    headers = {
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Content-Disposition": attachment(filename),
    }
    return Response(content, media_type="application/octet-stream", headers=headers)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
