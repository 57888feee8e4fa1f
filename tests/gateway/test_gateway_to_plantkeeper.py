"""Forwarding to an unmodified PlantKeeper backend: newest readings, in order, all responses interpreted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from gateway_harness import (
    IMPATIENT,
    Backend,
    BackendRequest,
    answer,
    gateway,
    health,
    look,
    plantkeeper,
    reading,
    running_backend,
    send,
)

from hortus.flow.gateway.newest_forwarding import NewestForwarder
from hortus.flow.gateway.plantkeeper import PlantKeeperTarget
from hortus.flow.gateway.spool import Spool
from hortus.flow.gateway.transport import TargetAddress, TargetClient
from programs import free_port
from waiting import until

UNKNOWN = {
    "message": "Sensor does not exist. You need to create it before updating it",
    "error": "Unauthorized",
    "statusCode": 401,
}


@asynccontextmanager
async def forwarding(
    directory: Path, backend: Backend, *, read_seconds: float = 5.0, settle_seconds: float = 0.1
) -> AsyncIterator[int]:
    """Run a gateway with this backend as its target, and yield its port."""
    client = TargetClient(
        TargetAddress(url=f"http://127.0.0.1:{backend.port}"), headers={}, read_seconds=read_seconds
    )

    def make_forwarder(spool: Spool) -> NewestForwarder:
        return NewestForwarder(
            spool, PlantKeeperTarget(client), patience=IMPATIENT, settle_seconds=settle_seconds
        )

    try:
        async with gateway(directory, make_forwarder) as port:
            yield port
    finally:
        await client.close()


def counters(directory: Path) -> dict[str, int]:
    file = look(directory)
    try:
        return file.counters()
    finally:
        file.close()


def set_aside(directory: Path) -> list[tuple[int, str]]:
    file = look(directory)
    try:
        return [(each.spooled.received.reading.sensor_id, each.reason) for each in file.list_set_aside()]
    finally:
        file.close()


async def test_the_measured_values_and_nothing_else_are_sent(tmp_path: Path) -> None:
    async with running_backend(Backend()) as backend, forwarding(tmp_path, backend) as port:
        await send(port, reading("7", humidity=55.6, light=900.4, temperature=21.39999962, userId=3, name="x"))
        await until(lambda: len(backend.requests) == 1)
        await send(port, reading(8, temperature=None))
        await until(lambda: len(backend.requests) == 2)
    first, second = backend.requests
    assert (first.method, first.path) == ("PATCH", "/api/v1/sensors/7")
    assert first.headers["content-type"] == "application/json"
    assert first.body == {"temperature": 21.39999962, "humidity": 56, "light": 900}
    assert second.body == {"humidity": 55, "light": 900}


async def test_after_an_outage_only_the_newest_reading_of_each_board_is_sent(tmp_path: Path) -> None:
    dead_port = free_port()
    backend = Backend(port=dead_port)
    async with forwarding(tmp_path, backend) as port:
        for value in range(10):
            for sensor_id in (1, 2):
                assert (await send(port, reading(sensor_id, humidity=value))).status == 200
        assert "cannot be reached" in await _trouble(port)
    async with running_backend(backend, port=dead_port), forwarding(tmp_path, backend):
        await until(lambda: counters(tmp_path).get("forwarded") == 2)
        await until(lambda: counters(tmp_path).get("superseded") == 18)
    assert sorted((each.path, each.body["humidity"]) for each in backend.requests) == [
        ("/api/v1/sensors/1", 9),
        ("/api/v1/sensors/2", 9),
    ]


async def test_a_board_never_has_two_requests_under_way_and_the_newest_value_is_last(tmp_path: Path) -> None:
    first_may_end = asyncio.Event()

    async def slow_at_first(request: BackendRequest) -> bytes:
        if len(backend.requests) == 1:
            await first_may_end.wait()
        return await plantkeeper(request)

    async with running_backend(Backend(slow_at_first)) as backend, forwarding(tmp_path, backend) as port:
        await send(port, reading(1, humidity=0))
        await until(lambda: len(backend.requests) == 1)
        for value in range(1, 6):
            await send(port, reading(1, humidity=value))
        # Another board does not wait for this one.
        await send(port, reading(2, humidity=77))
        await until(lambda: len(backend.requests) == 2)
        first_may_end.set()
        await until(lambda: backend.requests[-1].body.get("humidity") == 5)
        await until(lambda: counters(tmp_path).get("superseded") == 4)
    assert backend.most_busy == 1
    of_board = [each.body["humidity"] for each in backend.requests if each.sensor_id == 1]
    assert of_board == [0, 5]


@pytest.mark.parametrize(
    ("status", "document", "reason"),
    [
        (401, UNKNOWN, "unknown-sensor"),
        (400, {"message": "Unexpected token"}, "refused-by-target"),
        (404, {"message": "Cannot PATCH /api/v1/sensors/1"}, "refused-by-target"),
        (413, {"message": "request entity too large"}, "refused-by-target"),
        (
            500,
            {"message": "Database error occured", "error": 'invalid input syntax for type integer: "5.5"'},
            "refused-by-target",
        ),
        (
            500,
            {"message": "Database error occured", "error": "value is out of range for type integer"},
            "refused-by-target",
        ),
        (200, {"id": 2, "humidity": 55}, "wrong-answer"),
        (200, {"id": "1", "humidity": 55}, "wrong-answer"),
    ],
)
async def test_what_the_backend_refuses_for_good_is_set_aside_and_tried_once(
    tmp_path: Path, status: int, document: object, reason: str
) -> None:
    async def refuse(request: BackendRequest) -> bytes:
        return answer(status, document) if request.sensor_id == 1 else await plantkeeper(request)

    async with running_backend(Backend(refuse)) as backend, forwarding(tmp_path, backend) as port:
        await send(port, reading(1))
        await until(lambda: set_aside(tmp_path) == [(1, reason)])
        await send(port, reading(5))
        await until(lambda: counters(tmp_path).get("forwarded") == 1)
    assert [each.sensor_id for each in backend.requests] == [1, 5]


@pytest.mark.parametrize(
    ("reply", "trouble"),
    [
        (answer(301, b"", "Location: https://elsewhere.example/"), "redirects"),
        (answer(307, b"", "Location: https://elsewhere.example/"), "redirects"),
        (answer(200, b"<html>Welcome to this hotel</html>", "Content-Type: text/html"), "not as a PlantKeeper"),
        (answer(200, b""), "not as a PlantKeeper"),
        (answer(401, {"message": "Unauthorized"}), "refuses this gateway"),
        (answer(408, b""), "answered 408"),
        (answer(429, b"", "Retry-After: 1"), "answered 429"),
        (answer(500, {"message": "Internal server error"}), "answered 500"),
        (answer(500, {"message": "Database error occured", "error": "terminating connection"}), "answered 500"),
        (answer(502, b"<html>"), "answered 502"),
        (answer(503, b""), "answered 503"),
        (answer(200, b"x" * 400_000), "far too long"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{", "broke off"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "broke off"),
        (None, "broke off"),
    ],
)
async def test_what_may_pass_is_tried_again_until_it_has_passed(
    tmp_path: Path, reply: bytes | None, trouble: str
) -> None:
    working = False

    async def fail(request: BackendRequest) -> bytes | None:
        if working:
            return await plantkeeper(request)
        if reply is not None and (reply.startswith(b"SSH") or b": 500\r\n\r\n{" in reply):
            return reply + b"\0CLOSE"
        return reply

    async with running_backend(_Closing(fail)) as backend, forwarding(tmp_path, backend) as port:
        await send(port, reading(1, humidity=41))
        await until(lambda: len(backend.requests) >= 3)
        assert trouble in await _trouble(port)
        working = True
        await until(lambda: counters(tmp_path).get("forwarded") == 1)
        assert (await health(port)).status == 200
    assert {each.method for each in backend.requests} == {"PATCH"}
    assert backend.requests[-1].body["humidity"] == 41
    assert set_aside(tmp_path) == []


class _Closing(Backend):
    """A backend that closes half-way through an answer which is marked so."""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        original = writer.write

        def write(data: bytes) -> None:
            whole, mark, _ = data.partition(b"\0CLOSE")
            original(whole)
            if mark:
                writer.close()

        writer.write = write  # type: ignore[method-assign,assignment]
        await super().handle(reader, writer)


async def test_a_backend_that_hangs_holds_up_neither_boards_nor_the_readings_of_others(tmp_path: Path) -> None:
    async def hang(request: BackendRequest) -> bytes:
        if request.sensor_id == 1:
            await asyncio.sleep(3600)
        return await plantkeeper(request)

    async with (
        running_backend(Backend(hang)) as backend,
        forwarding(tmp_path, backend, read_seconds=0.3) as port,
    ):
        for sensor_id in (1, 2, 3):
            assert (await send(port, reading(sensor_id))).status == 200
        await until(lambda: counters(tmp_path).get("forwarded") == 2)
        await until(lambda: sum(each.sensor_id == 1 for each in backend.requests) >= 2)
        assert "in time" in await _trouble(port)


async def test_a_delivery_that_is_completed_late_does_not_have_the_last_word(tmp_path: Path) -> None:
    go_on = asyncio.Event()
    shown: list[int] = []

    async def slow_at_first(request: BackendRequest) -> bytes:
        if request.body["humidity"] == 1:
            await go_on.wait()
        shown.append(request.body["humidity"])
        return await plantkeeper(request)

    async with (
        running_backend(Backend(slow_at_first)) as backend,
        forwarding(tmp_path, backend, read_seconds=0.3, settle_seconds=3) as port,
    ):
        await send(port, reading(1, humidity=1))
        await until(lambda: len(backend.requests) == 1)
        await send(port, reading(1, humidity=2))
        await until(lambda: shown == [2])
        go_on.set()  # the backend has not noticed that nobody waits for its answer any more
        await until(lambda: shown == [2, 1])
        await until(lambda: counters(tmp_path).get("forwarded") == 1)
        assert shown == [2, 1, 2]
        await send(port, reading(1, humidity=3))
        await until(lambda: counters(tmp_path).get("forwarded") == 2)
    assert shown == [2, 1, 2, 3]
    assert counters(tmp_path)["superseded"] == 1


async def test_an_old_reading_that_is_retried_never_overwrites_a_newer_one(tmp_path: Path) -> None:
    known = False

    async def backend_script(request: BackendRequest) -> bytes:
        return await plantkeeper(request) if known else answer(401, UNKNOWN)

    async with running_backend(Backend(backend_script)) as backend, forwarding(tmp_path, backend) as port:
        await send(port, reading(1, humidity=1))
        await until(lambda: set_aside(tmp_path) == [(1, "unknown-sensor")])
        known = True
        await send(port, reading(1, humidity=2))
        await until(lambda: counters(tmp_path).get("forwarded") == 1)
        file = look(tmp_path)
        assert file.retry(None, 1) == 1
        file.close()
        await send(port, reading(2, humidity=3))  # makes the gateway look
        await until(lambda: [counters(tmp_path).get(each) for each in ("superseded", "forwarded")] == [1, 2])
    assert [each.body["humidity"] for each in backend.requests] == [1, 2, 3]


async def _trouble(port: int) -> str:
    found: list[str] = []

    async def told() -> bool:
        trouble = (await health(port)).body["target"]["trouble"]
        found.append(trouble)
        return trouble is not None

    await until(told)
    return found[-1]
