"""Keep-alive connections that repeat the same request, each as soon as it has the response.

A separate program, so that the load does not run in the process that is measured; started by rig/http.py.
Reads one line of JSON (the fields of `HttpOrder`) from standard input, sends the requests, and writes one line
of JSON (the fields of `HttpOutcome`).
"""

from __future__ import annotations

import asyncio
import json
import re
import resource
import sys
import time
from dataclasses import asdict, dataclass
from statistics import quantiles
from typing import cast

import uvloop

_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpOrder:
    """The request, the number of connections, and the duration. The warm-up does not count."""

    port: int
    path: str
    headers: dict[str, str]
    connections: int
    warm_up_seconds: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpOutcome:
    """The response times in milliseconds, all of status 200, and the load's own CPU time."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    most_ms: float
    load_cpu_seconds: float
    body: str

    @property
    def rate(self) -> float:
        """Return the responses per second."""
        return self.requests / self.seconds


class Asker(asyncio.Protocol):
    """One connection. Fails with an assertion at the first response that is not 200."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._received = b""
        self._asked_at = 0.0
        self.times: list[tuple[float, float]] = []
        self.body = b""
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's classes do not inherit from it
        self._ask()

    def data_received(self, data: bytes) -> None:
        """Process a part of a response; send the next request when it is complete."""
        self._received += data
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        length = _LENGTH.search(head + b"\r\n")
        if not head.startswith(b"HTTP/1.1 200 ") or length is None:
            self._fail(f"An answer is not what was asked for: {self._received[:500]!r}")
        elif len(rest) == int(length[1]):
            now = time.perf_counter()
            self.times.append((now, (now - self._asked_at) * 1000))
            self.body = rest
            self._ask()

    def connection_lost(self, _error: Exception | None) -> None:
        """Fail: a server that closes connections cannot be measured."""
        self._fail("The server ended a connection.")

    def _ask(self) -> None:
        self._received = b""
        self._asked_at = time.perf_counter()
        self._transport.write(self._request)

    def _fail(self, reason: str) -> None:
        if not self.failure.done():
            self.failure.set_exception(AssertionError(reason))


async def ask(order: HttpOrder) -> HttpOutcome:
    """Send requests for the ordered duration. Raises AssertionError if a response is not 200."""
    lines = [f"GET {order.path} HTTP/1.1", f"Host: 127.0.0.1:{order.port}", "Accept: */*"]
    lines += [f"{name}: {value}" for name, value in order.headers.items()]
    request = "\r\n".join([*lines, "", ""]).encode()
    loop = asyncio.get_running_loop()
    askers: list[Asker] = []
    for _ in range(order.connections):
        _, asker = await loop.create_connection(lambda: Asker(request), "127.0.0.1", order.port)
        askers.append(asker)
    failures = [asker.failure for asker in askers]
    await _undisturbed(failures, order.warm_up_seconds)
    start, cpu = time.perf_counter(), _cpu_seconds()
    await _undisturbed(failures, order.seconds)
    end = time.perf_counter()
    times = sorted(took for asker in askers for at, took in asker.times if start < at <= end)
    cuts = quantiles(times, n=100)
    return HttpOutcome(
        requests=len(times),
        seconds=end - start,
        p50_ms=cuts[49],
        p99_ms=cuts[98],
        most_ms=times[-1],
        load_cpu_seconds=_cpu_seconds() - cpu,
        body=askers[0].body.decode(),
    )


async def _undisturbed(failures: list[asyncio.Future[None]], seconds: float) -> None:
    done, _ = await asyncio.wait(failures, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for failed in done:
        failed.result()


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    order = HttpOrder(**json.loads(sys.stdin.readline()))
    print(json.dumps(asdict(uvloop.run(ask(order)))), flush=True)


if __name__ == "__main__":
    main()
