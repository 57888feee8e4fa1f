"""A small HTTP service that receives messages, as those do that users add."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def service(
    status: int = 200, answers: asyncio.Event | None = None
) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Run an HTTP service that receives messages; yield its URL and the requests that it received.

    With an event, it answers only once that is set.
    """
    taken: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        taken.append(await reader.readexactly(length))
        if answers is not None:
            await answers.wait()
        writer.write(b"HTTP/1.1 %d Whatever\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"json://127.0.0.1:{server.sockets[0].getsockname()[1]}/", taken
