"""The gateway's responses to boards, and to any other client that finds its port."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from gateway_harness import (
    ARDUINO,
    ARDUINO_BODY,
    RecordingTarget,
    gateway,
    health,
    limits,
    parse,
    post,
    reading,
    send,
)
from hypothesis import given
from hypothesis import strategies as st

from hortus.flow.gateway.limits import ListenerLimits
from hortus.flow.gateway.readings import (
    MOST_BODY_BYTES,
    RefusedRequest,
    SensorReading,
    read_sensor_data,
)
from waiting import PATIENCE_SECONDS, until

RECEIVED = {"message": "Data successfully received"}
INVALID = {"error": "Invalid JSON data"}
NO_ID = {"error": "No id in data"}
BAD_ID = {"error": "The id must be a whole number from 1 to 2147483647"}
ZERO_ID = {
    "error": f"{BAD_ID['error']}. 0 means that none was entered: set the sensor's id on the board's set-up page"
}


@pytest.fixture
def target() -> RecordingTarget:
    return RecordingTarget()


@pytest.fixture
async def port(tmp_path: Path, target: RecordingTarget) -> AsyncIterator[int]:
    async with gateway(
        tmp_path,
        target.forwarder,
        limits(listener=ListenerLimits(request_seconds=1.0, connections=50, linger_seconds=0.5)),
    ) as port:
        yield port


@pytest.mark.parametrize("piece_bytes", [1, 7, 1000])
async def test_the_firmwares_bytes_are_taken_in_pieces_of_any_size(
    port: int, target: RecordingTarget, piece_bytes: int
) -> None:
    reply = await send(port, ARDUINO, piece_bytes=piece_bytes)
    assert (reply.status, reply.body) == (200, RECEIVED)
    await until(lambda: bool(target.taken))
    assert target.taken[0].received.reading == SensorReading(
        sensor_id=1, temperature=21.39999962, humidity=55, light=900
    )


async def test_the_length_is_spelled_as_the_firmware_reads_it_and_the_connection_is_closed(port: int) -> None:
    reply = await send(port, ARDUINO)
    lines = reply.head.decode().split("\r\n")
    assert lines == [
        "HTTP/1.1 200 OK",
        "Content-Type: application/json",
        "Content-Length: 41",
        "Connection: close",
    ]


async def test_a_client_that_closes_its_side_early_still_gets_its_answer(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(ARDUINO)
    writer.write_eof()
    assert parse(await reader.read()).status == 200
    writer.close()


async def test_the_simulators_request_is_taken(port: int, target: RecordingTarget) -> None:
    body = json.dumps({"temperature": 26.06, "humidity": 67, "light": 1018, "id": 6}).encode()
    request = (
        b"POST /sensor-data HTTP/1.1\r\nHost: localhost\r\nUser-Agent: python-requests/2.28.2\r\n"
        b"Accept-Encoding: gzip, deflate\r\nAccept: */*\r\nConnection: keep-alive\r\n"
        b"Content-Length: %d\r\nContent-Type: application/json\r\n\r\n%s" % (len(body), body)
    )
    assert (await send(port, request)).status == 200
    await until(lambda: bool(target.taken))
    assert target.taken[0].received.reading.sensor_id == 6


@pytest.mark.parametrize(
    ("body", "status", "document"),
    [
        (ARDUINO_BODY, 200, RECEIVED),
        (b'{"id":"12","humidity":1}', 200, RECEIVED),
        (b'{"id":2147483647,"light":0}', 200, RECEIVED),
        (b'{"id":3,"temperature":null,"humidity":316,"light":2000}', 200, RECEIVED),
        (b'{"id":3,"humidity":-951}', 200, RECEIVED),
        (b'{"id":3,"humidity":1,"userId":7,"name":"mine"}', 200, RECEIVED),
        (b"{}", 400, INVALID),
        (b"null", 400, INVALID),
        (b"[]", 400, INVALID),
        (b"0", 400, INVALID),
        (b'""', 400, INVALID),
        (b"false", 400, INVALID),
        (b'{"temperature":1}', 400, NO_ID),
        (b'["x"]', 400, NO_ID),
        (b'"text"', 400, NO_ID),
        (b"17", 400, INVALID),
        (b"true", 400, INVALID),
        (b'"an id"', 400, INVALID),
        (b'["id"]', 400, INVALID),
        (b"", 400, INVALID),
        (b"{", 400, INVALID),
        (b'{"id":1,"humidity":NaN}', 400, INVALID),
        (b'{"id":1,"humidity":1e999}', 400, INVALID),
        (b"[" * 2000, 400, INVALID),
        (b'{"id":"\xff"}', 400, INVALID),
        (b'{"id":0,"humidity":1}', 400, ZERO_ID),
        (b'{"id":-1,"humidity":1}', 400, BAD_ID),
        (b'{"id":2147483648,"humidity":1}', 400, BAD_ID),
        (b'{"id":1.5,"humidity":1}', 400, BAD_ID),
        (b'{"id":true,"humidity":1}', 400, BAD_ID),
        (b'{"id":null,"humidity":1}', 400, BAD_ID),
        (b'{"id":"../general-plants/1","humidity":1}', 400, BAD_ID),
        (b'{"id":"1?x=1","humidity":1}', 400, BAD_ID),
        (b'{"id":"\xd9\xa1","humidity":1}', 400, BAD_ID),
        (b'{"id":[1],"humidity":1}', 400, BAD_ID),
        (b'{"id":1,"humidity":"wet"}', 400, {"error": "The value of humidity must be a number"}),
        (b'{"id":1,"light":true}', 400, {"error": "The value of light must be a number"}),
        (b'{"id":1,"temperature":{}}', 400, {"error": "The value of temperature must be a number"}),
        (b'{"id":1,"temperature":null}', 400, {"error": "No measured values in data"}),
        (b'{"id":1}', 400, {"error": "No measured values in data"}),
    ],
)
async def test_every_body_of_the_contract_is_answered_and_never_with_an_internal_error(
    port: int, body: bytes, status: int, document: object
) -> None:
    reply = await send(port, post(body))
    assert (reply.status, reply.body) == (status, document)


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (post(ARDUINO_BODY, content_type=None), 415),
        (post(ARDUINO_BODY, content_type="text/plain"), 415),
        (post(ARDUINO_BODY, content_type="application/x-www-form-urlencoded"), 415),
        (post(ARDUINO_BODY, content_type="application/json; charset=utf-8"), 200),
        (post(ARDUINO_BODY, content_type="application/vnd.board+json"), 200),
        (post(ARDUINO_BODY, path="/sensor-data?x=1"), 200),
        (post(ARDUINO_BODY, path="/other"), 404),
        (post(ARDUINO_BODY, path="/sensor-data/../healthz"), 404),
        (b"GET /sensor-data HTTP/1.1\r\n\r\n", 405),
        (b"DELETE /healthz HTTP/1.1\r\n\r\n", 405),
        (b"nonsense\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"POST /sensor-data HTTP/1.1\r\nContent-Length: -5\r\n\r\n", 400),
        (b"POST /sensor-data HTTP/1.1\r\nContent-Type: application/json\r\n\r\n" + ARDUINO_BODY, 411),
        (post(b""), 400),
        (b"POST /sensor-data HTTP/1.1\r\nContent-Length: five\r\n\r\n", 400),
        (b"POST /sensor-data HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n", 400),
        (b"POST /sensor-data HTTP/1.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", 431),
        (b"POST /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n", 431),
        (b"POST /sensor-data HTTP/1.1\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000, 413),
        (b"POST /sensor-data HTTP/1.1\r\nContent-Length: 5000000\r\n\r\n" + b"x" * 5_000_000, 413),
        (b"POST /sensor-data HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"400\r\n" + b"x" * 1024, 408),
    ],
)
async def test_other_requests_get_a_plain_answer(port: int, request_bytes: bytes, status: int) -> None:
    reply = await send(port, request_bytes, piece_bytes=65536)
    assert (reply.status, list(reply.body)) == (status, ["message"] if status == 200 else ["error"])


async def test_a_client_that_waits_before_its_body_is_asked_for_it(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(ARDUINO.removesuffix(b"\r\n" + ARDUINO_BODY) + b"Expect: 100-continue\r\n\r\n")
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(ARDUINO_BODY)
        assert parse(await reader.read()).status == 200
    writer.close()


async def test_a_client_of_an_old_version_is_not_asked_for_its_body(port: int) -> None:
    old = ARDUINO.replace(b"HTTP/1.1", b"HTTP/1.0").replace(b"Accept: */*", b"Expect: 100-continue")
    assert (await send(port, old)).status == 200


async def test_a_body_that_is_too_large_is_not_asked_for(port: int) -> None:
    head = b"POST /sensor-data HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5000\r\n\r\n"
    assert (await send(port, head)).status == 413


async def test_a_chunked_body_is_taken(port: int) -> None:
    chunked = b"Transfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n"
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(ARDUINO_BODY), ARDUINO_BODY)
    assert (await send(port, b"POST /sensor-data HTTP/1.1\r\n" + chunked + body)).status == 200


async def test_a_body_without_end_is_refused_and_the_connection_ends(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /sensor-data HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")

    async def pour() -> None:
        while True:
            writer.write(b"400\r\n" + b"x" * 1024 + b"\r\n")
            await writer.drain()

    pouring = asyncio.create_task(pour())
    assert parse(await reader.readuntil(b"}\n")).status == 413
    with pytest.raises(ConnectionError):
        await asyncio.wait_for(pouring, 20)
    writer.close()


async def test_connections_that_say_nothing_keep_no_board_out(port: int, target: RecordingTarget) -> None:
    silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(300)]
    slow_reader, slow_writer = await asyncio.open_connection("127.0.0.1", port)
    slow_writer.write(ARDUINO[:40])
    for _ in range(20):
        assert (await send(port, ARDUINO, piece_bytes=7)).status == 200
    # All of them are let go in the end, and the one that had begun is told why.
    for reader, writer in silent:
        assert await asyncio.wait_for(_rest(reader), 20) == b""
        writer.close()
    assert parse(await asyncio.wait_for(slow_reader.read(), 20)).status == 408
    slow_writer.close()
    await until(lambda: len(target.taken) == 20)


async def _rest(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionError:
        return b""


async def test_what_was_received_and_refused_can_be_seen_at_healthz(port: int, target: RecordingTarget) -> None:
    for request in (ARDUINO, post(b"{}"), reading(0), reading(2, extra=1), post(b"x" * (MOST_BODY_BYTES + 1))):
        await send(port, request)
    await until(lambda: len(target.taken) == 2)
    reply = await health(port)
    assert reply.status == 200
    assert reply.body["status"] == "healthy"
    assert reply.body["waiting"] == 0
    assert reply.body["counters"]["stored"] == 2

    async def counted() -> bool:
        await send(port, ARDUINO)  # refusals are counted durably with the next reading
        counters = (await health(port)).body["counters"]
        return {
            key: counters.get(key)
            for key in ("rejected:invalid-json", "rejected:bad-id", "rejected:body-too-large", "unknown-keys")
        } == {
            "rejected:invalid-json": 1,
            "rejected:bad-id": 1,
            "rejected:body-too-large": 1,
            "unknown-keys": 1,
        }

    await until(counted)


@given(
    st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["id", "temperature", "humidity", "x"]), inner, max_size=4)
            ),
            max_leaves=6,
        ).map(lambda document: json.dumps(document).encode()),
    )
)
def test_any_body_gives_a_reading_or_a_refusal(body: bytes) -> None:
    try:
        taken, unknown = read_sensor_data("application/json", body)
    except RefusedRequest:
        pass
    else:
        assert 1 <= taken.sensor_id < 2**31
        assert list(taken.values())
        assert unknown >= 0
