"""Clients that go away in the middle of what they send or receive are no error of ours."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress

import pytest
from plantkeeper_world import PlantKeeper
from starlette.types import Receive, Scope, Send

from hortus.base.errors import OperationalError
from hortus.http.conventions.conventions import Conventions
from hortus.http.conventions.streaming import StreamedReply
from hortus.http.server.server import bind, serving
from waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

REQUESTS = {
    "/login": "application/x-www-form-urlencoded",
    "/password-reset": "application/x-www-form-urlencoded",
    "/api/me/auth": "application/json",
    "/api/users": "application/json",
    "/api/v1/auth/login": "application/json",
    "/nowhere": "text/plain",
}


def events(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Return what is logged at INFO: of uvicorn, warnings only (`configure_logging`)."""
    least = {"hortus": logging.INFO, "uvicorn": logging.WARNING}
    return [
        record
        for record in caplog.records
        if record.levelno >= least.get(record.name.partition(".")[0], logging.CRITICAL)
    ]


@pytest.mark.parametrize("path", REQUESTS)
async def test_a_body_that_breaks_off_is_at_most_one_quiet_line(
    keeper: PlantKeeper, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        _, writer = await asyncio.open_connection("127.0.0.1", keeper.port)
        head = (
            f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {REQUESTS[path]}\r\nContent-Length: 40\r\n\r\n"
        )
        writer.write(head.encode() + b"12345")
        await writer.drain()
        await until_served(keeper)
        writer.close()
        await writer.wait_closed()
        await until_served(keeper)
    assert [record.getMessage() for record in events(caplog) if record.levelno >= logging.WARNING] == []
    assert len(events(caplog)) <= 1
    assert not any(record.exc_info for record in events(caplog))


async def until_served(keeper: PlantKeeper) -> None:
    """Make requests until the server has processed what was sent before, on whatever connection."""
    for _ in range(3):
        assert (await keeper.client.get("/")).status_code == 200


async def test_a_download_that_cannot_be_completed_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"id,value\n"
        raise OperationalError("The database does not answer at the moment.")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        reply = StreamedReply(
            pieces(), AsyncExitStack(), media_type="text/csv", filename="kit.csv", idle_seconds=60
        )
        await reply(scope, receive, send)

    listener = bind("127.0.0.1", 0)
    with caplog.at_level(logging.INFO):
        async with serving(Conventions(app), listener):
            reader, writer = await asyncio.open_connection(*listener.getsockname()[:2])
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            received = b""
            with suppress(ConnectionResetError):
                received = await reader.read()
            assert b"\r\n0\r\n\r\n" not in received, "the part looks like the whole"
            writer.close()
            await until(lambda: events(caplog))
    assert [record.getMessage() for record in events(caplog)] == [
        "kit.csv was aborted: The database does not answer at the moment."
    ]


async def test_a_client_that_cannot_read_chunks_is_told_so() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"id,value\n"

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        reply = StreamedReply(
            pieces(), AsyncExitStack(), media_type="text/csv", filename="kit.csv", idle_seconds=60
        )
        await reply(scope, receive, send)

    listener = bind("127.0.0.1", 0)
    answers = []
    async with serving(Conventions(app), listener):
        for version in (b"1.0", b"1.1"):
            reader, writer = await asyncio.open_connection(*listener.getsockname()[:2])
            writer.write(b"GET / HTTP/" + version + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
            answers.append(await reader.read())
            writer.close()
    refused, sent = answers
    assert refused.startswith(b"HTTP/1.1 505 ")
    assert b"Use HTTP/1.1" in refused
    assert b"transfer-encoding" not in refused
    assert b"9\r\nid,value\n\r\n0\r\n\r\n" in sent


async def test_a_file_to_http_1_0_is_not_compressed_in_chunks(keeper: PlantKeeper) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", keeper.port)
    writer.write(b"GET /api/docs/swagger-ui-bundle.js HTTP/1.0\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n")
    head, _, content = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    assert b"transfer-encoding" not in head
    assert f"content-length: {len(content)}".encode() in head
