"""Boards behind a gateway: known, unknown, adopted, silent; and the deliveries of other gateways."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from gateway_harness import IMPATIENT, Backend, gateway, look, reading, running_backend, send
from starlette.applications import Starlette
from starlette.routing import Route

from hortus.base.errors import UsageError
from hortus.flow.gateway.board_intake import BoardIntake
from hortus.flow.gateway.boards import (
    BoardExists,
    BoardNotHeard,
    SeveralGateways,
    adopt_board,
    forget_waiting_board,
    list_boards,
    list_waiting_boards,
    register_board,
)
from hortus.flow.gateway.forwarding import BatchForwarder
from hortus.flow.gateway.gateways import (
    GatewayExists,
    GatewayNotFound,
    add_gateway,
    gateway_id_of,
    gateway_with_token,
    list_gateways,
    local_gateway,
    remove_gateway,
)
from hortus.flow.gateway.hortus_target import HortusTarget
from hortus.flow.gateway.local_target import LocalTarget
from hortus.flow.gateway.readings import ReceivedReading, SensorReading
from hortus.flow.gateway.spool import Spool
from hortus.flow.gateway.transport import TargetAddress, TargetClient
from hortus.http.api.gateway_readings import RECEIVE_PATH, GatewayReceiver
from hortus.http.server.server import bind, serving
from hortus.protocol.wire.codec import decode_raw_measurement
from ingest_world import World
from waiting import PATIENCE_SECONDS, until

BOARD_VALUES = """
SELECT q.physical_quantity, r.value, r.datetime, r.received_at
FROM raw_measurements r JOIN kits k ON k.id = r.kit_id JOIN quantity_types q ON q.id = r.quantity_type_id
WHERE k.serial = $1 ORDER BY r.datetime, q.id
"""


def received(sensor_id: int, *, age_ms: int = 0, **values: float) -> ReceivedReading:
    return ReceivedReading(
        id=uuid.uuid4(),
        received_at_ms=int(datetime.now(UTC).timestamp() * 1000) - age_ms,
        reading=SensorReading(sensor_id=sensor_id, **(values or {"temperature": 21.5})),
        address="192.168.1.9",
    )


async def register(world: World, **arguments: Any) -> str:
    async with world.engine.begin() as connection:
        return (await register_board(connection, **arguments)).serial


async def local(world: World) -> int:
    async with world.engine.begin() as connection:
        return await local_gateway(connection)


async def take(world: World, gateway_id: int, readings: Sequence[ReceivedReading]) -> None:
    await BoardIntake(world.engine, world.pipeline).take(gateway_id, readings)


async def adopt(world: World, sensor_id: int, **arguments: Any) -> tuple[str, int]:
    async with world.engine.begin() as connection:
        board = await adopt_board(connection, sensor_id, **arguments)
        gateway_id = await connection.exec_driver_sql(
            f"SELECT gateway_id FROM boards WHERE sensor_id = {sensor_id}"
        )
    released = await BoardIntake(world.engine, world.pipeline).release(gateway_id.scalar_one(), sensor_id)
    return board.serial, released


async def values(world: World, serial: str) -> list[tuple[str, float]]:
    return [(row[0], row[1]) for row in await world.connection.fetch(BOARD_VALUES, serial)]


async def test_a_registered_boards_reading_is_stored_as_one_value_per_quantity(
    world: World, tmp_path: Path
) -> None:
    serial = await register(world, name="Basil", sensor_id=7)
    before = datetime.now(UTC)

    def make_forwarder(spool: Spool) -> BatchForwarder:
        return BatchForwarder(spool, LocalTarget(world.engine, world.pipeline), patience=IMPATIENT)

    async with gateway(tmp_path, make_forwarder) as port:
        assert (await send(port, reading(7, temperature=21.5, humidity=120, light=900))).status == 200
        assert (await send(port, reading(7, temperature=None, humidity=50, light=3))).status == 200
        await until(lambda: _spool_is_empty(tmp_path))
    rows = await world.connection.fetch(BOARD_VALUES, serial)
    assert [(row[0], row[1]) for row in rows] == [
        ("Temperature", 21.5),
        ("Soil moisture", 120.0),
        ("Light level", 900.0),
        ("Soil moisture", 50.0),
        ("Light level", 3.0),
    ]
    assert all(before - timedelta(seconds=1) <= row["datetime"] <= row["received_at"] for row in rows)
    kit_id = await world.connection.fetchval("SELECT id FROM kits WHERE serial = $1", serial)
    counts = await world.ledger(kit_id)
    assert (counts.received, counts.stored, counts.adds_up) == (5, 5, True)


async def test_a_delivery_that_is_repeated_changes_nothing(world: World) -> None:
    serial = await register(world, name="Basil", sensor_id=7)
    gateway_id = await local(world)
    readings = [received(7, age_ms=2000), received(7, age_ms=1000), received(8)]
    await take(world, gateway_id, readings)
    await take(world, gateway_id, readings)
    assert len(await values(world, serial)) == 2
    assert await world.count("waiting_board_readings") == 1
    assert await world.connection.fetchval("SELECT kept FROM waiting_boards WHERE sensor_id = 8") == 1


async def test_an_unknown_boards_readings_are_kept_and_come_along_when_it_is_named(world: World) -> None:
    gateway_id = await local(world)
    readings = [received(42, age_ms=1000 * age, humidity=float(age)) for age in range(700, 0, -1)]
    await take(world, gateway_id, readings[:500])
    await take(world, gateway_id, readings[500:])
    assert await world.count() == 0
    async with world.engine.connect() as connection:
        (waiting,) = await list_waiting_boards(connection)
    assert (waiting.sensor_id, waiting.gateway, waiting.kept, waiting.dropped, waiting.last_address) == (
        42,
        "local",
        700,
        0,
        "192.168.1.9",
    )
    serial, released = await adopt(world, 42, name="Mint")
    assert (serial, released) == ("pk-42", 700)
    assert [value for _, value in await values(world, serial)] == [float(age) for age in range(700, 0, -1)]
    # A delivery that the gateway repeats, because it did not hear that it had arrived, has no effect either.
    await take(world, gateway_id, readings[:500])
    assert await world.count() == 700
    for table in ("waiting_boards", "waiting_board_readings"):
        assert await world.count(table) == 0


async def test_readings_that_were_not_released_when_a_board_was_named_follow_with_its_next_one(
    world: World,
) -> None:
    gateway_id = await local(world)
    await take(world, gateway_id, [received(42, age_ms=5000)])
    async with world.engine.begin() as connection:
        await adopt_board(connection, 42, name="Mint")  # and then the power fails
    await take(world, gateway_id, [received(42)])
    assert await world.count() == 2
    assert await world.count("waiting_boards") == 0


async def test_naming_a_board_while_its_readings_arrive_loses_none(world: World) -> None:
    gateway_id = await local(world)
    await take(world, gateway_id, [received(42, age_ms=100_000)])

    async def deliver() -> None:
        for age in range(60, 0, -1):
            await take(world, gateway_id, [received(42, age_ms=age * 1000)])

    delivering = [asyncio.create_task(deliver()) for _ in range(3)]
    await asyncio.sleep(0.05)
    await adopt(world, 42, name="Mint")
    await asyncio.gather(*delivering)
    await take(world, gateway_id, [received(42)])
    assert await world.count() == 1 + 180 + 1
    assert await world.count("waiting_board_readings") == 0


async def test_what_is_kept_of_unknown_boards_is_bounded_and_counted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hortus.flow.gateway.waiting_readings.MOST_KEPT_PER_BOARD", 10)
    monkeypatch.setattr("hortus.flow.gateway.waiting_readings.MOST_WAITING_BOARDS", 3)
    gateway_id = await local(world)
    await take(
        world, gateway_id, [received(1, age_ms=1000 * age, light=float(age)) for age in range(25, 0, -1)]
    )
    async with world.engine.connect() as connection:
        (board,) = await list_waiting_boards(connection)
    assert (board.kept, board.dropped) == (10, 15)
    kept = await world.connection.fetch("SELECT light FROM waiting_board_readings ORDER BY received_at")
    assert [row["light"] for row in kept] == [float(age) for age in range(10, 0, -1)]
    await take(world, gateway_id, [received(sensor_id) for sensor_id in (2, 3, 4, 5)])
    assert await world.count("waiting_boards") == 3


async def test_readings_that_made_room_are_still_counted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hortus.flow.gateway.waiting_readings.MOST_KEPT_PER_BOARD", 10)
    monkeypatch.setattr("hortus.flow.gateway.waiting_readings.MOST_WAITING_BOARDS", 3)
    gateway_id = await local(world)
    readings = [
        received(sensor_id, age_ms=1000 * (100 * (9 - sensor_id) + age))
        for sensor_id in range(1, 9)
        for age in range(2 * sensor_id, 0, -1)
    ]
    for each in readings:  # one by one: boards are dropped and come back
        await take(world, gateway_id, [each])
    _, released = await adopt(world, 8, name="Basil")
    async with world.engine.connect() as connection:
        waiting = await list_waiting_boards(connection)
        [bringing] = await list_gateways(connection)
    assert {board.sensor_id for board in waiting} == {6, 7}
    kept = await world.count("waiting_board_readings")
    assert kept == sum(board.kept for board in waiting) == 20
    dropped = bringing.dropped_readings + sum(board.dropped for board in waiting)
    assert released == 10
    assert kept + dropped + released == len(readings)
    async with world.engine.begin() as connection:
        assert await forget_waiting_board(connection, 7) == 10
        [bringing] = await list_gateways(connection)
        [left] = await list_waiting_boards(connection)
    assert left.kept + left.dropped + bringing.dropped_readings + released == len(readings)


async def test_a_board_has_an_account_nowhere_and_a_configuration_like_any_kit(world: World) -> None:
    serial = await register(world, name="Basil")
    row = await world.connection.fetchrow(
        "SELECT password_hash, broker_password, name FROM kits WHERE serial = $1", serial
    )
    assert (serial, tuple(row)) == ("pk-1", ("!", None, "Basil"))
    peripherals = await world.connection.fetch(
        "SELECT p.name FROM peripherals p JOIN kit_configurations c ON c.id = p.kit_configuration_id"
        " JOIN kits k ON k.id = c.kit_id WHERE k.serial = $1 AND c.active ORDER BY p.id",
        serial,
    )
    assert [each["name"] for each in peripherals] == ["Thermometer", "Soil probe", "Light sensor"]


async def test_numbers_are_given_in_turn_and_once_only(world: World) -> None:
    assert await register(world, name="a", sensor_id=19) == "pk-19"
    assert await register(world, name="b") == "pk-20"
    with pytest.raises(BoardExists):
        await register(world, name="c", sensor_id=19)
    for sensor_id in (0, -1, 2**31):
        with pytest.raises(UsageError):
            await register(world, name="d", sensor_id=sensor_id)
    for name in ("", "x" * 41):
        with pytest.raises(UsageError):
            await register(world, name=name)


async def test_a_board_with_the_largest_number_leaves_numbers_for_others(world: World) -> None:
    await register(world, name="a")
    await register(world, name="b", sensor_id=2**31 - 1)
    await register(world, name="c", sensor_id=3)
    assert [await register(world, name=name) for name in ("d", "e")] == ["pk-2", "pk-4"]


async def test_a_value_without_a_place_in_the_configuration_is_set_aside_and_counted(world: World) -> None:
    await register(world, name="Basil", sensor_id=7)
    await world.connection.execute("DELETE FROM peripherals WHERE name = 'Light sensor'")
    await take(world, await local(world), [received(7, temperature=20.0, light=5.0)])
    assert await world.reasons() == {"unknown-peripheral": 1}
    assert await world.count() == 1
    kept = await world.connection.fetchrow("SELECT topic, payload, payload_bytes FROM quarantine")
    assert (kept["topic"], kept["payload_bytes"]) == ("kit/pk-7/measurement/raw", len(kept["payload"]))
    assert decode_raw_measurement(kept["payload"]).value == 5.0


async def test_silence_of_a_board_can_be_seen(world: World) -> None:
    for sensor_id in (1, 2, 3):
        await register(world, name=f"board {sensor_id}", sensor_id=sensor_id)
    await world.connection.execute("UPDATE boards SET silent_after_seconds = 60")
    # The third one's gateway has a clock that is far ahead.
    await take(
        world, await local(world), [received(1), received(2, age_ms=120_000), received(3, age_ms=-(10**9))]
    )
    async with world.engine.connect() as connection:
        now = datetime.now(UTC)
        boards = {each.sensor_id: each for each in await list_boards(connection, now)}
        later = {each.sensor_id: each for each in await list_boards(connection, now + timedelta(seconds=90))}
    assert [number for number, each in boards.items() if each.silent_since] == [2]
    assert [number for number, each in later.items() if each.silent_since] == [1, 2, 3]
    assert (boards[1].gateway, boards[1].last_address) == ("local", "192.168.1.9")
    assert boards[3].last_contact_at is not None
    assert boards[3].last_contact_at <= datetime.now(UTC)


# Several gateways


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
            await until(lambda: _spool_is_empty(tmp_path))
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


def _spool_is_empty(directory: Path) -> bool:
    file = look(directory)
    try:
        return file.depth().waiting == 0
    finally:
        file.close()
