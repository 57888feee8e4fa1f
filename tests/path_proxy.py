"""A reverse proxy that offers a server below a path of its own, as nginx and Caddy do in front of Hortus."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

_MOST_HEAD_BYTES = 64 * 1024


@asynccontextmanager
async def proxy_below(path: str, server_url: str, *, strips: bool) -> AsyncIterator[str]:
    """Run a proxy; yield the address at which it offers the server. Anything outside `path` is another site's.

    It passes on one request per connection, with the `Host` that the browser used, and then bytes both ways, so
    WebSockets work too.
    """
    host, port = urlsplit(server_url).hostname, urlsplit(server_url).port

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            method, target, version = head.partition("\r\n")[0].split(" ")
            if not target.startswith(f"{path}/"):
                writer.write(b"HTTP/1.1 418 Another site\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()
                return
            if strips:
                target = target.removeprefix(path)
            upstream_reader, upstream = await asyncio.open_connection(host, port)
            fields = head.partition("\r\n")[2].removesuffix("\r\n\r\n").split("\r\n")
            if not any(field.lower().startswith("upgrade:") for field in fields):
                fields = [field for field in fields if not field.lower().startswith("connection:")]
                fields.append("Connection: close")
            upstream.write("\r\n".join([f"{method} {target} {version}", *fields, "", ""]).encode("latin-1"))
            await _both_ways((reader, upstream), (upstream_reader, writer))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=_MOST_HEAD_BYTES)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{path}"
    finally:
        server.close()


async def _both_ways(*ways: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
    """Pass on bytes until one side has closed its connection."""
    passing = {asyncio.create_task(_pass_on(reader, writer)) for reader, writer in ways}
    await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
    for task in passing:
        task.cancel()
    await asyncio.gather(*passing, return_exceptions=True)
    for _, writer in ways:
        writer.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_MOST_HEAD_BYTES):
        writer.write(data)
        await writer.drain()
