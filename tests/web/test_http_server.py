from __future__ import annotations

import asyncio
import contextlib
import socket

import httpx
import pytest
from starlette.responses import PlainTextResponse

from hortus.base.errors import OperationalError
from hortus.http.server import connections, server
from hortus.http.server.server import STOP_SECONDS, bind, serving
from waiting import PATIENCE_SECONDS


async def hello(scope, receive, send):
    await PlainTextResponse("hello")(scope, receive, send)


def address_of(listener):
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


async def test_it_serves_while_the_context_lasts_and_frees_the_port():
    listener = bind("127.0.0.1", 0)
    address = address_of(listener)
    async with serving(hello, listener), httpx.AsyncClient(timeout=PATIENCE_SECONDS) as client:
        assert (await client.get(address)).text == "hello"
    async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(address)
    bind("127.0.0.1", int(address.rsplit(":", 1)[1])).close()


async def test_a_request_that_comes_before_the_server_began_is_answered():
    listener = bind("127.0.0.1", 0)
    async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as client:
        request = asyncio.create_task(client.get(address_of(listener)))
        await asyncio.sleep(0)
        async with serving(hello, listener):
            assert (await request).text == "hello"


async def test_a_port_in_use_is_one_clear_sentence():
    listener = bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    try:
        with pytest.raises(OperationalError) as caught:
            bind("127.0.0.1", port)
    finally:
        listener.close()
    assert str(caught.value) == (
        f"Port {port} on 127.0.0.1 is in use by another program; choose another with --http-port."
    )


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host", "", "a" * 300])
def test_an_address_that_is_not_ours_is_one_clear_sentence(host, monkeypatch):
    # No DNS lookups: tests stay on this machine.
    def refuse(*_arguments, **_options):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    if host != "192.0.2.1":
        monkeypatch.setattr("hortus.http.server.server.socket.getaddrinfo", refuse)
    with pytest.raises(
        OperationalError, match=r"is not an address of this machine; choose another with --host\.$"
    ):
        bind(host, 0)


async def test_a_request_under_way_ends_before_the_server_does():
    begun = asyncio.Event()
    go_on = asyncio.Event()

    async def slow(scope, receive, send):
        begun.set()
        await go_on.wait()
        await hello(scope, receive, send)

    listener = bind("127.0.0.1", 0)
    async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as client:
        async with serving(slow, listener):
            request = asyncio.create_task(client.get(address_of(listener)))
            await begun.wait()
            asyncio.get_running_loop().call_later(0.1, go_on.set)
        assert (await request).text == "hello"


async def test_a_request_that_never_ends_does_not_hold_up_the_end():
    begun = asyncio.Event()

    async def endless(scope, receive, send):
        begun.set()
        await asyncio.Event().wait()

    listener = bind("127.0.0.1", 0)
    async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as client:
        async with asyncio.timeout(STOP_SECONDS * 10):
            async with serving(endless, listener):
                request = asyncio.create_task(client.get(address_of(listener)))
                await begun.wait()
            with pytest.raises(httpx.HTTPError):
                (await request).raise_for_status()


async def test_the_address_behind_a_trusted_proxy_is_the_clients():
    async def who(scope, receive, send):
        await PlainTextResponse(f"{scope['client'][0]} {scope['scheme']}")(scope, receive, send)

    headers = {"x-forwarded-for": "192.0.2.9", "x-forwarded-proto": "https"}
    answers = []
    for trusted in ("127.0.0.1", "10.0.0.1"):
        listener = bind("127.0.0.1", 0)
        async with (
            serving(who, listener, forwarded_allow_ips=trusted),
            httpx.AsyncClient(timeout=PATIENCE_SECONDS) as client,
        ):
            answers.append((await client.get(address_of(listener), headers=headers)).text)
    assert answers == ["192.0.2.9 https", "127.0.0.1 http"]


async def test_bytes_that_are_not_http_harm_nobody():
    listener = bind("127.0.0.1", 0)
    async with serving(hello, listener), httpx.AsyncClient(timeout=PATIENCE_SECONDS) as client:
        port = listener.getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\x10\x80\xff not http\r\n\r\n")
        await reader.read()
        writer.close()
        assert (await client.get(address_of(listener))).text == "hello"


async def test_connections_that_ask_for_nothing_make_room_for_those_that_do(monkeypatch):
    monkeypatch.setattr(server, "_MOST_CONNECTIONS", 40)
    listener = bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    async with serving(hello, listener), httpx.AsyncClient(timeout=PATIENCE_SECONDS) as client:
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(100)]
        for _, writer in idle[::2]:
            writer.write(b"POST / HTTP/1.1\r\nHost: plants\r\nContent-Length: 9\r\n\r\nslow")
        answer = await client.get(address_of(listener))
        for _, writer in idle:
            writer.close()
    assert (answer.status_code, answer.text) == (200, "hello")


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost: plants\r\nX-Slow: "])
async def test_headers_that_never_come_are_not_waited_for(begun, monkeypatch):
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.1)
    listener = bind("127.0.0.1", 0)
    async with serving(hello, listener):
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.getsockname()[1])
        writer.write(begun)
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()


@pytest.mark.parametrize(
    "before", [b"", b"Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n"], ids=["headers", "trailers"]
)
async def test_headers_without_end_are_refused(before):
    async def read_all(scope, receive, send):
        while (await receive()).get("more_body"):
            pass
        await hello(scope, receive, send)

    sent = 0
    listener = bind("127.0.0.1", 0)
    async with serving(read_all, listener):
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.getsockname()[1])
        writer.write(b"POST / HTTP/1.1\r\nHost: plants\r\n" + before)
        with contextlib.suppress(ConnectionError):
            while not reader.at_eof() and sent < 64 * 1024 * 1024:
                writer.write(b"X-Long: " + b"x" * 8000 + b"\r\n")
                await writer.drain()
                sent += 8010
        writer.close()
    assert sent < 64 * 1024 * 1024


async def test_a_long_body_in_small_chunks_is_taken():
    async def length(scope, receive, send):
        taken, more = 0, True
        while more:
            message = await receive()
            taken, more = taken + len(message["body"]), message["more_body"]
        await PlainTextResponse(str(taken))(scope, receive, send)

    async def pieces():
        for _ in range(3000):
            yield b"0123456789" * 10

    listener = bind("127.0.0.1", 0)
    async with serving(length, listener), httpx.AsyncClient(timeout=PATIENCE_SECONDS) as client:
        answers = [(await client.post(address_of(listener), content=pieces())).text for _ in range(2)]
    assert answers == ["300000", "300000"]
