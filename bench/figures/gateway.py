"""The gateway's rate while its target is down, and its recovery: `python bench/run.py --only gateway`.

A real gateway process with synced commits; boards open a new loopback connection each time, like the firmware.
The hour of 500 boards at one reading per 10 s is compressed: its 180,000 readings arrive as fast as they are
answered. The target is a small server here that responds like another Hortus, and is down at first.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson
import psutil

from hortus.flow.gateway.readings import SensorReading
from hortus.flow.gateway.spool import Spool
from hortus.flow.gateway.spool_file import Arrival
from rig.bench import Bench
from rig.processes import MEBIBYTE, free_port
from rig.result import Result

REACH_GATEWAY_RATE = 1_500
# The board gives up after 2 s; D2 requires a tenth of that.
REACH_GATEWAY_P99_MS = 200
REACH_GATEWAY_GROWTH_MIB = 50
REACH_DRAIN_SECONDS = 300

BOARDS = 500
CONNECTIONS = 50


class Target:
    """Another Hortus, as far as a gateway can see: accepts everything and records the order."""

    def __init__(self) -> None:
        self.newest: dict[int, float] = {}
        self.taken = 0
        self.out_of_order = 0
        self._progress = asyncio.Event()

    async def has_taken(self, readings: int) -> None:
        """Return when this many readings have arrived."""
        while self.taken < readings:
            self._progress.clear()
            await self._progress.wait()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Respond to the deliveries of one connection."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
                readings = orjson.loads(await reader.readexactly(length))["readings"]
                for each in readings:
                    self.out_of_order += each["light"] <= self.newest.get(each["sensorId"], -1.0)
                    self.newest[each["sensorId"]] = each["light"]
                self.taken += len(readings)
                self._progress.set()
                body = b'{"taken":%d,"refused":[]}' % len(readings)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        writer.close()


async def gateway(bench: Bench) -> None:
    """An hour of 500 boards at one reading per 10 s each with the target down, compressed."""
    directory = bench.data_dir("gateway")
    directory.mkdir()
    found = await measure_gateway(directory, bench.size.gateway_readings, bench.size.gateway_readings // 6)
    print(
        f"  {found.readings:,} readings: at full speed p99 {found.flood_p99_ms:.0f} ms, at 50/s p50 "
        f"{found.paced_p50_ms:.1f} ms; drained at {found.readings / found.drain_seconds:,.0f}/s"
    )
    bench.found(
        Result(
            figure="gateway: readings accepted and synced, 50 connections",
            value=f"{found.accepted_rate:,.0f}/s, p99 {found.accepted_p99_ms:.0f} ms",
            reach=f"≥ {REACH_GATEWAY_RATE:,}/s",
            reference=f"the spool alone {found.spool_rate:,.0f}/s",
            met=found.accepted_rate >= REACH_GATEWAY_RATE,
        )
    )
    bench.found(
        Result(
            figure="gateway: answers to 500 boards at one per 10 s, target dead",
            value=f"p99 {found.paced_p99_ms:.0f} ms",
            reach=f"p99 ≤ {REACH_GATEWAY_P99_MS} ms",
            met=found.paced_p99_ms <= REACH_GATEWAY_P99_MS,
        )
    )
    bench.found(
        Result(
            figure=f"gateway: memory after {found.readings:,} readings that wait",
            value=f"{found.memory_mib + found.memory_growth_mib:.0f} MB",
            reach=f"≤ {REACH_GATEWAY_GROWTH_MIB} MB more than before",
            reference=f"{found.memory_mib:.0f} MB before",
            met=found.memory_growth_mib <= REACH_GATEWAY_GROWTH_MIB,
        )
    )
    bench.found(
        Result(
            figure=f"gateway: {found.readings:,} readings drained after the target came back",
            value=f"{found.drain_seconds:.0f} s, {found.missing} missing, {found.out_of_order} out of order",
            reach=f"≤ {REACH_DRAIN_SECONDS} s, none missing, in order",
            met=found.drain_seconds <= REACH_DRAIN_SECONDS and not found.missing and not found.out_of_order,
        )
    )


async def post(port: int, sensor_id: int, number: int) -> float:
    """Send one reading over a new connection, and return the response time in ms."""
    body = b'{"id":%d,"temperature":21.4,"humidity":55,"light":%d}' % (sensor_id, number)
    head = b"POST /sensor-data HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    began = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head % len(body) + body)
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200"), answer
    return (time.perf_counter() - began) * 1000


async def post_many(port: int, readings: int, first: int = 0) -> tuple[float, list[float]]:
    """Send readings over concurrent connections; return the rate per second and all response times."""
    numbers: Iterator[int] = iter(range(first, first + readings))
    times: list[float] = []

    async def board() -> None:
        # One at a time per board: the numbers of a board must be sent in order.
        times.extend([await post(port, number % BOARDS + 1, number) for number in numbers])

    began = time.perf_counter()
    await asyncio.gather(*(board() for _ in range(CONNECTIONS)))
    return readings / (time.perf_counter() - began), times


async def post_at(port: int, per_second: float, seconds: float, first: int) -> list[float]:
    """Send readings at a fixed rate, regardless of the response times."""
    pending = []
    began = time.perf_counter()
    for number in range(int(per_second * seconds)):
        await asyncio.sleep(max(0.0, began + number / per_second - time.perf_counter()))
        pending.append(asyncio.create_task(post(port, (first + number) % BOARDS + 1, first + number)))
    return list(await asyncio.gather(*pending))


async def spool_alone(directory: Path, readings: int) -> float:
    """Return the readings per second that the spool stores from concurrent writers without HTTP."""
    numbers = iter(range(readings))
    async with Spool(directory) as spool:

        async def writer() -> None:
            for number in numbers:
                reading = SensorReading(sensor_id=number % BOARDS + 1, temperature=21.4, humidity=55, light=1)
                await spool.append(Arrival(reading=reading, received_at_ms=number, address="127.0.0.1"))

        began = time.perf_counter()
        await asyncio.gather(*(writer() for _ in range(CONNECTIONS)))
        return readings / (time.perf_counter() - began)


def percentile(times: list[float], share: float) -> float:
    return sorted(times)[int(len(times) * share)]


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayOutcome:
    """The results. Rates are per second; memory is resident, in MiB."""

    accepted_rate: float
    spool_rate: float
    accepted_p99_ms: float
    readings: int
    flood_p99_ms: float
    paced_p50_ms: float
    paced_p99_ms: float
    memory_mib: float
    memory_growth_mib: float
    drain_seconds: float
    missing: int
    out_of_order: int


async def measure_gateway(directory: Path, hour_readings: int, speed_readings: int) -> GatewayOutcome:
    """Run a gateway whose target is down at first, and measure it."""
    alone = await spool_alone(directory / "alone", speed_readings)
    port, target_port = free_port(), free_port()
    settings = {
        "HORTUS_GATEWAY_TARGET": "hortus",
        "HORTUS_GATEWAY_TARGET_URL": f"http://127.0.0.1:{target_port}",
        "HORTUS_GATEWAY_PLAIN_HTTP_HOSTS": "127.0.0.1",
        "HORTUS_GATEWAY_TARGET_TOKEN": "bench",
        "HORTUS_GATEWAY_SPOOL_DIR": str(directory / "spool"),
        "HORTUS_GATEWAY_SENSOR_SECONDS": "0.00001",
        "HORTUS_GATEWAY_ADDRESS_PER_SECOND": "1000000",
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hortus", "gateway", "--port", str(port)), env={**os.environ, **settings}
    )
    try:
        for _attempt in range(600):
            with contextlib.suppress(OSError):
                await post(port, 1, 0)
                break
            await asyncio.sleep(0.1)
        return await measure(port, target_port, alone, process.pid, hour_readings, speed_readings)
    finally:
        process.terminate()
        await process.wait()


async def measure(
    port: int, target_port: int, alone: float, process_id: int, hour_readings: int, speed_readings: int
) -> GatewayOutcome:
    watched = psutil.Process(process_id)
    rate, times = await post_many(port, speed_readings, first=1)
    memory_before = watched.memory_info().rss / MEBIBYTE
    sent = speed_readings + 1
    rest = max(CONNECTIONS, hour_readings - sent)
    _, flood = await post_many(port, rest, first=sent)
    sent += rest
    paced = await post_at(port, BOARDS / 10, 10.0, first=sent)
    sent += len(paced)
    grown = watched.memory_info().rss / MEBIBYTE - memory_before
    target = Target()
    began = time.perf_counter()
    async with await asyncio.start_server(target.handle, "127.0.0.1", target_port) as server:
        await target.has_taken(sent)
        seconds = time.perf_counter() - began
        server.close()
    return GatewayOutcome(
        accepted_rate=rate,
        spool_rate=alone,
        accepted_p99_ms=percentile(times, 0.99),
        readings=sent,
        flood_p99_ms=percentile(flood, 0.99),
        paced_p50_ms=percentile(paced, 0.5),
        paced_p99_ms=percentile(paced, 0.99),
        memory_mib=memory_before,
        memory_growth_mib=grown,
        drain_seconds=seconds,
        missing=sent - target.taken,
        out_of_order=target.out_of_order,
    )
