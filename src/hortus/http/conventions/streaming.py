"""Sending what is made while it is being sent, so that nobody takes a part of it for the whole.

The body has no announced length and is sent in chunks (RFC 9112, 7.1). If it cannot be finished, the connection
is closed without the last chunk, which every client reports as an error.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hortus.base.errors import HortusError
from hortus.http.conventions.head_requests import is_without_body
from hortus.http.conventions.media_delivery import disposition

log = logging.getLogger(__name__)

_PIECE_BYTES = 64 * 1024
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


class ReceiverTooSlow(HortusError):
    """Whoever asked takes nothing of what is sent."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the receiver took nothing for {seconds:.0f} s")


class StreamedReply(Response):
    """A body of pieces. `resources` are what it is made from; they are released at the end, whatever that is.

    A HortusError of the pieces breaks the body off; so does a receiver who takes nothing for `idle_seconds`.
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
        """Send everything, until the client is gone."""
        async with self._resources:
            if is_without_body(scope):
                await self._send_headers(send)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                return
            sending = asyncio.create_task(self._send(send))
            gone = asyncio.create_task(_until_gone(receive))
            try:
                await asyncio.wait({sending, gone}, return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:
                # Only the end of the server does this. The connection is closed, which tells the client; if it
                # were raised, it would be reported as a fault of ours.
                log.warning("%s is broken off: the server stops", self._name)
            finally:
                sending.cancel()
                gone.cancel()
                ended = await asyncio.gather(sending, gone, return_exceptions=True)
            if isinstance(ended[0], Exception):
                raise ended[0]

    async def _send(self, send: Send) -> None:
        await self._send_headers(send)
        try:
            async with aclosing(self._pieces) as pieces:  # type: ignore[type-var]  # it is a generator
                async for piece in pieces:
                    for start in range(0, len(piece), _PIECE_BYTES):
                        await self._send_piece(send, piece[start : start + _PIECE_BYTES])
        except HortusError as error:
            # Returning without the last chunk makes the server close the connection.
            log.warning("%s is broken off: %s", self._name, error)
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
    """Return the Content-Disposition of a file to be saved; usual names without quotes (http-api 4.9)."""
    if _TOKEN.fullmatch(filename):
        return f"attachment; filename={filename}"
    return disposition(filename)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
