"""What one connection can cost the live feed: little, whatever it does."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from hortus.domain.accounts.tokens import Tokens
from hortus.flow.ingest.store import LIVE_CHANNEL
from hortus.http.live.admission import LiveLimits
from hortus.http.live.jsonrpc import ErrorCode
from hortus.http.server import server
from live_world import Client, LiveKit, LiveWorld, live_world
from waiting import PATIENCE_SECONDS

READINGS = 6_000


async def store_many(live: LiveWorld, kit: LiveKit, first: int, count: int) -> None:
    """Commit readings of two alternating series, with ascending values and times."""
    async with live.connection.transaction():
        await live.connection.execute(
            "INSERT INTO raw_measurements (datetime, value, id, kit_id, peripheral_id, kit_configuration_id, "
            "quantity_type_id) "
            "SELECT $1::timestamptz + n * interval '10 microseconds', n, gen_random_uuid(), $2, "
            "CASE n % 2 WHEN 0 THEN $3::int ELSE $4::int END, 1, 1 FROM generate_series($5::int, $6::int) AS n",
            datetime.now(UTC),
            kit.id,
            kit.peripherals[0].id,
            kit.peripherals[2].id,
            first,
            first + count - 1,
        )
        await live.connection.execute("SELECT pg_notify($1, $2)", LIVE_CHANNEL, str(kit.id))


@contextlib.asynccontextmanager
async def slow_client(live: LiveWorld) -> AsyncIterator[Client]:
    """A client whose system buffers little for it while it does not read."""
    reading = socket.socket()
    reading.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reading.setblocking(False)
    await asyncio.get_running_loop().sock_connect(reading, ("127.0.0.1", live.port))
    async with connect(live.socket_url, sock=reading) as client:
        yield Client(client)


def skipped(client: Client) -> int:
    return sum(notice["count"] for notice in client.told("skipped"))


async def test_a_slow_reader_gets_the_newest_of_each_series_and_is_told_of_the_rest(live: LiveWorld) -> None:
    kit = await live.kit()
    async with slow_client(live) as slow, live.client() as quick:
        await slow.subscribe(kit)
        await quick.subscribe(kit)
        slow.socket.transport.pause_reading()
        for first in range(0, READINGS, 500):
            await store_many(live, kit, first, 500)
            await quick.until(lambda last=first + 499: quick.newest == last)
        slow.socket.transport.resume_reading()
        await slow.until(lambda: slow.told_or_skipped == READINGS)
        assert slow.values()[-2:] == [READINGS - 2, READINGS - 1]
        assert slow.values() == sorted(slow.values())
        assert skipped(slow) > READINGS / 2
        assert {notice["reason"] for notice in slow.told("skipped")} == {"slow"}
        # Other readers are not affected.
        assert quick.values() == list(range(READINGS))


async def test_of_too_many_values_at_once_the_newest_are_told_and_the_others_counted(
    module_database_url: str,
) -> None:
    async with live_world(module_database_url, LiveLimits(values_per_look=100)) as live:
        kit = await live.kit()
        async with live.client() as client:
            await client.subscribe(kit)
            await store_many(live, kit, 0, 250)
            await client.until(lambda: client.told_or_skipped == 250)
            assert client.values() == list(range(150, 250))
            assert client.told("skipped")[0]["reason"] == "many"


async def test_a_peer_that_answers_no_ping_is_cut_off(
    module_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "PING_SECONDS", 0.5)
    async with live_world(module_database_url) as live:
        kit = await live.kit()
        async with slow_client(live) as client:
            for _ in range(20):
                with contextlib.suppress(Exception):  # already disconnected, on a slow machine
                    await client.subscribe(kit)
                    break
            client.socket.transport.pause_reading()
            await store_many(live, kit, 0, 2_000)  # data that it does not read
            async with asyncio.timeout(PATIENCE_SECONDS):
                while live.hub.subscriptions:
                    await asyncio.sleep(0.01)
            client.socket.transport.abort()


async def test_a_connection_begins_with_a_ping(live: LiveWorld) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", live.port)
    writer.write(
        b"GET /api/ws HTTP/1.1\r\nHost: hortus\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        head = await reader.readuntil(b"\r\n\r\n")
        frame = await reader.readexactly(2)
    assert head.startswith(b"HTTP/1.1 101 ")
    assert b"sec-websocket-extensions" not in head.lower()  # no compression
    assert frame[0] == 0x89
    writer.close()
    await writer.wait_closed()


async def test_each_address_has_so_many_connections_and_each_end_makes_room(module_database_url: str) -> None:
    async with live_world(module_database_url, LiveLimits(connections_per_address=2)) as live:
        async with live.client():
            async with live.client():
                assert await refused(live) == 429
            await room(live)
        async with live.client(), live.client():
            pass


async def test_a_process_has_so_many_connections(module_database_url: str) -> None:
    async with live_world(module_database_url, LiveLimits(connections=1)) as live, live.client():
        assert await refused(live) == 503


async def test_each_user_has_so_many_connections_however_they_say_who_they_are(
    module_database_url: str,
) -> None:
    async with live_world(module_database_url, LiveLimits(connections_per_user=1)) as live:
        token = Tokens(live.parts.token_key, live.clock).access(12345)
        headers = {"Authorization": f"Bearer {token}"}
        async with live.client(additional_headers=headers) as first, live.client() as second:
            assert await refused(live, additional_headers=headers) == 429
            answer = await second.call("authenticate", [token])
            assert answer["error"]["code"] == ErrorCode.TOO_MANY_REQUESTS
            assert (await first.call("authenticate", [token]))["result"] is True


async def refused(live: LiveWorld, **options: object) -> int:
    with pytest.raises(InvalidStatus) as error:
        async with live.client(**options):
            raise AssertionError("connected")
    response = error.value.response
    assert response.headers["content-type"] == "application/problem+json"
    assert "retry-after" in response.headers
    return response.status_code


async def room(live: LiveWorld) -> None:
    """Wait until the server has noticed that a connection ended."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            with contextlib.suppress(InvalidStatus):
                async with live.client():
                    return
            await asyncio.sleep(0.01)
