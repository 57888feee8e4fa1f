"""The harness of the gateway tests: a running gateway, boards as bytes on a socket, and targets."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hortus.app.supervision import process_supervisor
from hortus.flow.gateway.backoff import Patience
from hortus.flow.gateway.errors import TargetTrouble
from hortus.flow.gateway.forwarding import BatchForwarder
from hortus.flow.gateway.limits import AdmissionRules, ListenerLimits, Rate, SpoolLimits
from hortus.flow.gateway.service import GatewayLimits, MakeForwarder, running_gateway
from hortus.flow.gateway.spool import Spool
from hortus.flow.gateway.spool_file import SpooledReading, SpoolFile
from hortus.flow.gateway.spool_format import SPOOL_NAME
from hortus.flow.gateway.targets import Refusal
from hortus.http.server.server import bind
from waiting import PATIENCE_SECONDS

ARDUINO_BODY = b'{"id":1,"temperature":21.39999962,"humidity":55,"light":900}'
ARDUINO = (
    b"POST /sensor-data HTTP/1.1\r\n"
    b"User-Agent: Arduino/2.2.0\r\n"
    b"Connection: close\r\n"
    b"Content-Type: application/json\r\n"
    b"Content-Length: 60\r\n"
    b"Accept: */*\r\n"
    b"\r\n" + ARDUINO_BODY
)
"""The firmware's request, byte for byte: there is no Host header."""

IMPATIENT = Patience(first_seconds=0.02, longest_seconds=0.1)
FREE = Rate(at_once=1_000_000, refill_seconds=0.000001)
ADMIT_ALL = AdmissionRules(per_sensor=FREE, per_address=FREE)
LIMITS = GatewayLimits(admission=ADMIT_ALL)


@dataclass(eq=False)
class RecordingTarget:
    """A target that records what it receives, and fails or rejects as configured by the test."""

    name: str = "the test"
    taken: list[SpooledReading] = field(default_factory=list)
    trouble: TargetTrouble | None = None
    attempts: int = 0
    refuses: Callable[[SpooledReading], bool] = field(default=lambda _reading: False)

    async def deliver(self, readings: Sequence[SpooledReading]) -> list[Refusal]:
        self.attempts += 1
        if self.trouble is not None:
            raise self.trouble
        refused = [each for each in readings if self.refuses(each)]
        self.taken += [each for each in readings if each not in refused]
        return [Refusal(reading=each, reason="refused", detail="Because.") for each in refused]

    def forwarder(self, spool: Spool) -> BatchForwarder:
        return BatchForwarder(spool, self, patience=IMPATIENT)


@asynccontextmanager
async def gateway(
    directory: Path, make_forwarder: MakeForwarder, limits: GatewayLimits = LIMITS
) -> AsyncIterator[int]:
    """Run a gateway and yield its port."""
    with bind("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        async with (
            process_supervisor() as supervisor,
            running_gateway(supervisor, listener, directory / "spool", make_forwarder, limits),
        ):
            yield port


@dataclass(frozen=True, kw_only=True)
class Reply:
    status: int
    head: bytes
    body: Any


async def send(port: int, request: bytes, *, piece_bytes: int = 1 << 20) -> Reply:
    """Send bytes in pieces, and return the response once the server has closed the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        for start in range(0, len(request), piece_bytes):
            writer.write(request[start : start + piece_bytes])
            await writer.drain()
            await asyncio.sleep(0)
        async with asyncio.timeout(PATIENCE_SECONDS):
            return parse(await reader.read())
    finally:
        writer.close()


def parse(answer: bytes) -> Reply:
    head, _, body = answer.partition(b"\r\n\r\n")
    return Reply(status=int(head.split()[1]), head=head, body=json.loads(body))


def post(body: bytes, content_type: str | None = "application/json", path: str = "/sensor-data") -> bytes:
    content = b"" if content_type is None else b"Content-Type: " + content_type.encode() + b"\r\n"
    return b"POST %s HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n%s" % (path.encode(), content, len(body), body)


def reading(sensor_id: Any = 1, **values: Any) -> bytes:
    return post(
        json.dumps({"id": sensor_id, "temperature": 21.5, "humidity": 55, "light": 900} | values).encode()
    )


def look(directory: Path) -> SpoolFile:
    """Open the spool of a gateway, like the commands do."""
    return SpoolFile.open(directory / "spool" / SPOOL_NAME, most_bytes=1 << 30)


async def health(port: int) -> Reply:
    return await send(port, b"GET /healthz HTTP/1.1\r\nHost: gateway\r\n\r\n")


def limits(
    *,
    listener: ListenerLimits | None = None,
    admission: AdmissionRules = ADMIT_ALL,
    spool: SpoolLimits | None = None,
) -> GatewayLimits:
    return GatewayLimits(
        listener=listener or ListenerLimits(), admission=admission, spool=spool or SpoolLimits()
    )


# A backend made of answers


@dataclass(frozen=True, kw_only=True)
class BackendRequest:
    method: str
    path: str
    headers: dict[str, str]
    body: Any

    @property
    def sensor_id(self) -> int:
        return int(self.path.rpartition("/")[2])


Script = Callable[[BackendRequest], Awaitable[bytes | None]]
"""Returns the whole answer to a request; None closes the connection."""


def answer(status: int, document: Any, *headers: str) -> bytes:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    lines = [f"HTTP/1.1 {status} Status", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def plantkeeper(request: BackendRequest) -> bytes:
    """Respond like an unmodified PlantKeeper backend to a successful request."""
    return answer(200, {"id": request.sensor_id, "userId": 1, "name": "pot", **request.body})


@dataclass(eq=False)
class Backend:
    """A scripted HTTP server that records all requests, and the number of concurrent requests per path."""

    script: Script = plantkeeper
    requests: list[BackendRequest] = field(default_factory=list)
    busy: dict[str, int] = field(default_factory=dict)
    most_busy: int = 0
    port: int = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await _read(reader):
                self.requests.append(request)
                self.busy[request.path] = self.busy.get(request.path, 0) + 1
                self.most_busy = max(self.most_busy, *self.busy.values())
                reply = await self.script(request)
                self.busy[request.path] -= 1
                if reply is None:
                    break
                writer.write(reply)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> BackendRequest | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.strip().split("\r\n")
    headers = {key.lower(): value for key, _, value in (line.partition(": ") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    method, path, _ = first.split()
    return BackendRequest(method=method, path=path, headers=headers, body=json.loads(body) if body else None)


@asynccontextmanager
async def running_backend(backend: Backend, *, ssl: Any = None, port: int = 0) -> AsyncIterator[Backend]:
    serving: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(backend.handle(reader, writer))
        serving.add(task)
        task.add_done_callback(serving.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", port, ssl=ssl)
    backend.port = server.sockets[0].getsockname()[1]
    try:
        yield backend
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
