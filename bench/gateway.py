"""What the gateway takes while its target is dead, and how it recovers: `python bench/gateway.py`.

A real gateway process with synced commits; boards as new connections over loopback, as the firmware makes them.
The hour of 500 boards at one reading per 10 s is compressed: its 180,000 readings come as fast as they are
answered. The target is a small server here that answers as another Hortus does, and is not there at first.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import psutil
import uvloop

from hortus.gateway.readings import SensorReading
from hortus.gateway.spool import Spool
from hortus.gateway.spool_file import Arrival

BOARDS = 500
HOUR_READINGS = BOARDS * 360
CONNECTIONS = 50
SPEED_READINGS = 30_000


class Target:
    """Another Hortus, as far as a gateway can tell: takes everything and notes the order."""

    def __init__(self) -> None:
        self.newest: dict[int, float] = {}
        self.taken = 0
        self.out_of_order = 0
        self._progress = asyncio.Event()

    async def has_taken(self, readings: int) -> None:
        """Return when so many readings have arrived."""
        while self.taken < readings:
            self._progress.clear()
            await self._progress.wait()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the deliveries of one connection."""
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


async def post(port: int, sensor_id: int, number: int) -> float:
    """Send one reading over a connection of its own, and return after how many ms it was answered."""
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
    """Send readings over so many connections at once; return the rate per second and all times."""
    numbers: Iterator[int] = iter(range(first, first + readings))
    times: list[float] = []

    async def board() -> None:
        # One at a time per board: the numbers of a board must be sent in their order.
        times.extend([await post(port, number % BOARDS + 1, number) for number in numbers])

    began = time.perf_counter()
    await asyncio.gather(*(board() for _ in range(CONNECTIONS)))
    return readings / (time.perf_counter() - began), times


async def post_at(port: int, per_second: float, seconds: float, first: int) -> list[float]:
    """Send readings at a fixed rate, whatever the answers take."""
    pending = []
    began = time.perf_counter()
    for number in range(int(per_second * seconds)):
        await asyncio.sleep(max(0.0, began + number / per_second - time.perf_counter()))
        pending.append(asyncio.create_task(post(port, (first + number) % BOARDS + 1, first + number)))
    return list(await asyncio.gather(*pending))


async def spool_alone(directory: Path, readings: int) -> float:
    """Return how many readings per second the spool takes without HTTP, from so many writers at once."""
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


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def run(directory: Path, hour_readings: int) -> None:
    alone = await spool_alone(directory / "alone", SPEED_READINGS)
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
        await measure(port, target_port, alone, process.pid, hour_readings)
    finally:
        process.terminate()
        await process.wait()


async def measure(port: int, target_port: int, alone: float, process_id: int, hour_readings: int) -> None:
    watched = psutil.Process(process_id)
    rate, times = await post_many(port, SPEED_READINGS, first=1)
    print(f"accepted, synced, {CONNECTIONS} connections: {rate:,.0f}/s, p99 {percentile(times, 0.99):.0f} ms")
    print(f"  reference, the spool alone: {alone:,.0f}/s ({rate / alone:.2f} of it)")
    memory_before = watched.memory_info().rss
    sent = SPEED_READINGS + 1
    rest = max(0, hour_readings - sent)
    _, times = await post_many(port, rest, first=sent)
    sent += rest
    paced = await post_at(port, BOARDS / 10, 10.0, first=sent)
    sent += len(paced)
    grown = (watched.memory_info().rss - memory_before) / 1024 / 1024
    print(f"{sent:,} readings of {BOARDS} boards while the target is dead:")
    print(f"  at full speed p99 {percentile(times, 0.99):.0f} ms, at {BOARDS / 10:.0f}/s p50", end=" ")
    print(f"{percentile(paced, 0.5):.1f} ms, p99 {percentile(paced, 0.99):.1f} ms")
    print(f"  memory {memory_before / 1024 / 1024:.0f} MiB, grown by {grown:.1f} MiB")
    target = Target()
    began = time.perf_counter()
    async with await asyncio.start_server(target.handle, "127.0.0.1", target_port) as server:
        await target.has_taken(sent)
        seconds = time.perf_counter() - began
        server.close()
    print(f"  drained in {seconds:.0f} s after the target came back ({sent / seconds:,.0f}/s),", end=" ")
    print(f"{target.taken - sent} too many or missing, {target.out_of_order} out of order")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hour-readings", type=int, default=HOUR_READINGS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=".") as directory:
        uvloop.run(run(Path(directory).absolute(), arguments.hour_readings))


if __name__ == "__main__":
    main()
