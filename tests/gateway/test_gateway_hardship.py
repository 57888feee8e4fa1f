"""A gateway under hostile clients and with a slow backend, and how its metrics show it (plantkeeper 3.4)."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from gateway_harness import (
    ARDUINO,
    IMPATIENT,
    LIMITS,
    Backend,
    BackendRequest,
    RecordingTarget,
    gateway,
    look,
    plantkeeper,
    post,
    reading,
    running_backend,
    send,
)
from prometheus_client.parser import text_string_to_metric_families

from hortus.app.supervision import process_supervisor
from hortus.flow.gateway.metrics import GatewayFigures
from hortus.flow.gateway.newest_forwarding import NewestForwarder
from hortus.flow.gateway.plantkeeper import PlantKeeperTarget
from hortus.flow.gateway.service import running_gateway
from hortus.flow.gateway.transport import CONNECT_SECONDS, READ_SECONDS, TargetAddress, TargetClient
from hortus.http.server.server import bind
from waiting import until

SILENT_CONNECTIONS = 10_000


@pytest.fixture
def many_files() -> Iterator[None]:
    """Raise this process's limit to the number of connections that the test needs."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_ten_thousand_connections_that_say_nothing_keep_no_board_out(
    tmp_path: Path, many_files: None
) -> None:
    target = RecordingTarget()
    silent: list[socket.socket] = []
    async with gateway(tmp_path, target.forwarder) as port:
        try:
            for number in range(SILENT_CONNECTIONS):
                silent.append(socket.create_connection(("127.0.0.1", port)))
                if number % 100 == 0:  # the gateway runs in this process too, and has to get a word in
                    await asyncio.sleep(0)
                if number % 2_000 == 0:
                    assert (await send(port, ARDUINO, piece_bytes=7)).status == 200
            for _ in range(20):
                assert (await send(port, ARDUINO, piece_bytes=7)).status == 200
        finally:
            for connection in silent:
                connection.close()
        await until(lambda: len(target.taken) == 25)


async def test_a_backend_that_is_slow_within_the_limit_is_waited_for_and_asked_once(tmp_path: Path) -> None:
    # The mail server of an unmodified backend may hold up an answer by 30 s (G11).
    assert (CONNECT_SECONDS, READ_SECONDS) == (5.0, 40.0)
    go_on = asyncio.Event()

    async def slow(request: BackendRequest) -> bytes:
        await go_on.wait()
        return await plantkeeper(request)

    async with running_backend(Backend(slow)) as backend:
        client = TargetClient(TargetAddress(url=f"http://127.0.0.1:{backend.port}"), headers={})
        try:
            async with gateway(
                tmp_path,
                lambda spool: NewestForwarder(spool, PlantKeeperTarget(client), patience=IMPATIENT),
            ) as port:
                assert (await send(port, reading(1))).status == 200
                await until(lambda: len(backend.requests) == 1)
                for _ in range(5):  # boards are answered at once meanwhile (G2)
                    assert (await send(port, reading(2))).status == 200
                go_on.set()
                await until(lambda: _counters(tmp_path).get("forwarded", 0) >= 2)
        finally:
            await client.close()
    assert [each.sensor_id for each in backend.requests].count(1) == 1


async def test_the_figures_tell_what_was_stored_refused_and_waits(tmp_path: Path) -> None:
    target = RecordingTarget()
    figures = GatewayFigures()
    assert await figures.text() == b""  # it does not run yet
    with bind("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        async with (
            process_supervisor() as supervisor,
            running_gateway(
                supervisor, listener, tmp_path / "spool", target.forwarder, LIMITS
            ) as figures.health,
        ):
            for request in (ARDUINO, post(b"{}"), reading(0)):
                await send(port, request)
            await until(lambda: len(target.taken) == 1)

            async def counted() -> bool:
                await send(port, ARDUINO)  # refusals are counted durably with the next reading
                return _samples(await figures.text()).get("hortus_gateway_events_total rejected bad-id") == 1

            await until(counted)
            asked = await _metrics_over_http(port)
            assert asked["hortus_gateway_events_total rejected invalid-json"] == 1
            assert asked["hortus_gateway_events_total stored "] >= 2
            assert asked["hortus_gateway_healthy"] == 1
            assert asked["hortus_gateway_set_aside_readings"] == 0
            assert {"hortus_gateway_waiting_readings", "hortus_gateway_spool_bytes"} <= asked.keys()


async def _metrics_over_http(port: int) -> dict[str, float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /metrics HTTP/1.1\r\n\r\n")
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"Content-Type: text/plain; version=0.0.4" in head
    return _samples(body)


def _samples(text: bytes) -> dict[str, float]:
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def _counters(directory: Path) -> dict[str, int]:
    with contextlib.closing(look(directory)) as file:
        return file.counters()
