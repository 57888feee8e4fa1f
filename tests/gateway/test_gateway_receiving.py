"""Other gateways bring readings to this installation: tokens, ownership, deliveries."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from board_world import BOARD_VALUES, adopt, received, register, spool_is_empty, take
from gateway_harness import IMPATIENT, Backend, gateway, look, reading, running_backend, send
from starlette.applications import Starlette
from starlette.routing import Route

from hortus.flow.gateway.boards import (
    BoardNotHeard,
    SeveralGateways,
    forget_waiting_board,
    list_waiting_boards,
)
from hortus.flow.gateway.forwarding import BatchForwarder
from hortus.flow.gateway.gateways import (
    GatewayExists,
    GatewayNotFound,
    add_gateway,
    gateway_id_of,
    gateway_with_token,
    list_gateways,
    remove_gateway,
)
from hortus.flow.gateway.hortus_target import HortusTarget
from hortus.flow.gateway.spool import Spool
from hortus.flow.gateway.transport import TargetAddress, TargetClient
from hortus.http.api.gateway_readings import RECEIVE_PATH, GatewayReceiver
from hortus.http.server.server import bind, serving
from ingest_world import World
from waiting import PATIENCE_SECONDS, until


async def another_gateway(world: World, name: str) -> tuple[int, str]:
    async with world.engine.begin() as connection:
        token = await add_gateway(connection, name)
        return await gateway_id_of(connection, name), token


async def test_a_gateways_token_is_kept_as_a_hash_and_ends_with_it(world: World) -> None:
    gateway_id, token = await another_gateway(world, "greenhouse")
    async with world.engine.begin() as connection:
        with pytest.raises(GatewayExists):
            await add_gateway(connection, "greenhouse")
        assert await gateway_with_token(connection, token) == gateway_id
        for wrong in ("", token + "x", token[:-1], "hortus_gateway_", "ü"):
            assert await gateway_with_token(connection, wrong) is None
        stored = (await connection.exec_driver_sql("SELECT token_hash FROM gateways")).scalar_one()
        assert token not in stored
        assert [each.name for each in await list_gateways(connection)] == ["greenhouse"]
        await remove_gateway(connection, "greenhouse")
        assert await gateway_with_token(connection, token) is None
        with pytest.raises(GatewayNotFound):
            await remove_gateway(connection, "greenhouse")


async def test_a_gateway_brings_readings_of_its_own_boards_only(world: World) -> None:
    await register(world, name="Basil", sensor_id=7)
    first, _ = await another_gateway(world, "first")
    second, _ = await another_gateway(world, "second")
    await take(world, first, [received(7)])  # from now on it is the board of the first
    await take(world, second, [received(7), received(7, age_ms=10)])
    assert await world.count() == 1
    async with world.engine.connect() as connection:
        (waiting,) = await list_waiting_boards(connection)
    assert (waiting.gateway, waiting.kept) == ("second", 2)
    # A person who knows that the board was moved says so; its kit and its series stay the same.
    serial, released = await adopt(world, 7, name="Basil upstairs")
    assert (serial, released) == ("pk-7", 2)
    assert await world.count() == 3
    assert await world.connection.fetchval("SELECT name FROM kits WHERE serial = 'pk-7'") == "Basil upstairs"


async def test_adopting_asks_which_gateway_is_meant_and_forgetting_throws_away(world: World) -> None:
    for name in ("first", "second"):
        gateway_id, _ = await another_gateway(world, name)
        await take(world, gateway_id, [received(9)])
    with pytest.raises(SeveralGateways, match="first, second"):
        await adopt(world, 9, name="Mint")
    with pytest.raises(BoardNotHeard):
        await adopt(world, 9, name="Mint", gateway="third")
    assert await adopt(world, 9, name="Mint", gateway="second") == ("pk-9", 1)
    async with world.engine.begin() as connection:
        assert await forget_waiting_board(connection, 9) == 1
        with pytest.raises(BoardNotHeard):
            await forget_waiting_board(connection, 9)


@pytest.fixture
async def receiving_url(world: World) -> AsyncIterator[str]:
    receiver = GatewayReceiver(world.engine, world.pipeline, store_seconds=5)
    app = Starlette(routes=[Route(RECEIVE_PATH, receiver.receive, methods=["POST"])])
    with bind("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        async with serving(app, listener):
            yield f"http://127.0.0.1:{port}"


async def test_another_installations_readings_arrive_all_with_their_times_and_once(
    world: World, receiving_url: str, tmp_path: Path
) -> None:
    await register(world, name="Basil", sensor_id=7)
    _, token = await another_gateway(world, "greenhouse")
    drop_answers = True

    async def unreliable(request: Any) -> bytes | None:
        async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as client:
            headers = {"Authorization": request.headers["authorization"]}
            passed_on = await client.post(receiving_url + request.path, json=request.body, headers=headers)
        if drop_answers:
            return None  # it was stored there, but this side never learns of it
        head = f"HTTP/1.1 {passed_on.status_code} X\r\nContent-Length: {len(passed_on.content)}\r\n\r\n"
        return head.encode() + passed_on.content

    async with running_backend(Backend(unreliable)) as between:
        client = TargetClient(
            TargetAddress(url=f"http://127.0.0.1:{between.port}"), headers={"Authorization": f"Bearer {token}"}
        )
        spooled = []

        def make_forwarder(spool: Spool) -> BatchForwarder:
            return BatchForwarder(spool, HortusTarget(client), patience=IMPATIENT)

        async with gateway(tmp_path, make_forwarder) as port:
            for value in range(30):
                await send(port, reading(7 + value % 2, temperature=None, humidity=value, light=None))
            await until(lambda: len(between.requests) >= 3)
            file = look(tmp_path)
            spooled = file.oldest_waiting(100)
            file.close()
            drop_answers = False
            await until(lambda: spool_is_empty(tmp_path))
        await client.close()
    assert len(spooled) == 30
    rows = await world.connection.fetch(BOARD_VALUES, "pk-7")
    assert [row["value"] for row in rows] == [float(value) for value in range(0, 30, 2)]
    times_ms = [each.received.received_at_ms for each in spooled if each.received.reading.sensor_id == 7]
    assert [round(row["datetime"].timestamp() * 1000) for row in rows] == times_ms
    assert await adopt(world, 8, name="Mint") == ("pk-8", 15)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{}", 400),
        (b"[]", 400),
        (b'{"readings":[]}', 400),
        (b'{"readings":[{"id":"x","sensorId":1,"receivedAt":"2026-11-22T15:04:05Z"}]}', 400),
        (b"x" * 1_100_000, 413),
        *(
            (
                b'{"readings":[{"id":"0d5b6cb6-5d0e-4a4e-8e8c-3b8e1f6f2a11","sensorId":%s,"receivedAt":%s}]}'
                % (sensor_id, moment),
                400,
            )
            for sensor_id, moment in (
                (b"0", b'"2026-11-22T15:04:05Z"'),
                (b"2147483648", b'"2026-11-22T15:04:05Z"'),
                (b'"7"', b'"2026-11-22T15:04:05Z"'),
                (b"7", b'"2026-11-22T15:04:05"'),
                (b"7", b'"yesterday"'),
            )
        ),
    ],
)
async def test_a_delivery_that_is_none_is_refused_in_words(
    world: World, receiving_url: str, body: bytes, status: int
) -> None:
    _, token = await another_gateway(world, "greenhouse")
    async with httpx.AsyncClient(base_url=receiving_url, timeout=PATIENCE_SECONDS) as client:
        reply = await client.post(RECEIVE_PATH, content=body, headers={"Authorization": f"Bearer {token}"})
        assert (reply.status_code, reply.json()["status"]) == (status, status)
        for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": f"Basic {token}"}):
            assert (await client.post(RECEIVE_PATH, content=body, headers=headers)).status_code == 401


@pytest.mark.parametrize(
    "moment",
    [
        "0001-01-01T00:00:00+14:00",
        "0001-01-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "9999-12-31T23:59:59-14:00",
        "9999-12-31T23:59:59.9999999Z",
    ],
)
async def test_a_gateway_whose_clock_is_absurd_loses_nothing_and_stops_nothing(
    world: World, receiving_url: str, moment: str
) -> None:
    gateway_id, token = await another_gateway(world, "greenhouse")
    await register(world, name="fern", sensor_id=7, gateway_id=gateway_id)
    readings = [
        {"id": str(uuid.uuid4()), "sensorId": sensor_id, "receivedAt": moment, "light": 900}
        for sensor_id in (7, 8)
    ]
    async with httpx.AsyncClient(base_url=receiving_url, timeout=PATIENCE_SECONDS) as client:
        reply = await client.post(
            RECEIVE_PATH, json={"readings": readings}, headers={"Authorization": f"Bearer {token}"}
        )
    assert (reply.status_code, reply.json()) == (200, {"taken": 2, "refused": []})
    assert await world.connection.fetchval("SELECT count(*) FROM raw_measurements") == 0
    assert await world.connection.fetchval("SELECT count(*) FROM quarantine") == 1
    assert await world.connection.fetchval("SELECT count(*) FROM waiting_board_readings") == 1
    assert await world.connection.fetchval("SELECT coalesce(last_contact_at <= now(), true) FROM boards")
