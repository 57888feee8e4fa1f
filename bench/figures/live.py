"""The latency from a commit to the clients of the live feed, with many users viewing one kit."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import quantiles

from hortus.base.database.engine import connector
from hortus.domain.kits.registry import KitRegistry
from hortus.flow.ingest.pipeline import IngestPipeline
from hortus.protocol.wire.codec import encode_raw_measurement
from hortus.protocol.wire.messages import RawMeasurement
from live_clients import ARRIVED, ClientsOrder, ClientsOutcome
from rig.bench import Bench
from rig.installation import Installation, Kit, installation
from rig.processes import MEBIBYTE, BenchError, cpu_seconds, resident_bytes, running, until
from rig.result import Result
from rig.web import web

REACH_LIVE_P99_MS = 200

_PROGRAM = Path(__file__).parents[1] / "live_clients.py"
_SUBSCRIBE_SECONDS = 120.0
_FINISH_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveFigures:
    """Milliseconds from a commit to a client, over all values and clients; CPU time is the server's."""

    values: int
    skipped: int
    p50_ms: float
    p99_ms: float
    most_ms: float
    cpu_share: float
    cpu_us_per_value: float
    memory_bytes: int


@dataclass(eq=False)
class CommitTimes:
    """A transport that records when each reading was committed (its handle is the reading's number)."""

    committed_at: dict[int, float] = field(default_factory=dict)

    def settle(self, handles: Sequence[int]) -> None:
        """Record the time, right after the commit."""
        now = time.time()
        self.committed_at.update(dict.fromkeys(handles, now))


async def live(bench: Bench) -> None:
    """From the commit of a reading to all clients viewing its kit: 10 readings per second."""
    size, rate = bench.size, 10.0
    async with installation(bench.data_dir("live")) as stand:
        found = await measure_live(
            bench.folder,
            stand,
            clients=size.live_clients,
            rate=rate,
            readings=int(rate * size.live_seconds),
        )
    print(
        f"  {found.values:,} values told, the slowest after {found.most_ms:.0f} ms; "
        f"{found.cpu_share:.0%} of a core, "
        f"{found.cpu_us_per_value:.0f} µs per value and client, {found.memory_bytes / MEBIBYTE:.0f} MB"
    )
    bench.found(
        Result(
            figure=f"live feed, commit to {size.live_clients} clients at {rate:.0f} readings/s",
            value=f"p50 {found.p50_ms:.0f} ms, p99 {found.p99_ms:.0f} ms, {found.skipped} skipped, "
            f"{found.cpu_share:.2f} cores",
            reach=f"p99 ≤ {REACH_LIVE_P99_MS} ms, all told",
            met=found.p99_ms <= REACH_LIVE_P99_MS and found.skipped == 0,
        )
    )


async def measure_live(
    folder: Path, stand: Installation, *, clients: int, rate: float, readings: int
) -> LiveFigures:
    """Store readings of one kit at this rate, and record when each client receives each."""
    kit = stand.kits[0]
    await stand.connection.execute(
        "UPDATE kits SET privacy_public_dashboard = true WHERE serial = $1", kit.serial
    )
    log = folder / "arrived.log"
    async with web(folder, stand, {"HORTUS_LIVE_CONNECTIONS_PER_ADDRESS": "10000"}) as (port, process_id):
        order = ClientsOrder(
            url=f"ws://127.0.0.1:{port}/api/ws",
            serial=kit.serial,
            clients=clients,
            readings=readings,
            log=str(log),
        )
        async with _clients(folder, order) as process:
            began, cpu_before = time.time(), cpu_seconds(process_id)
            times = await _store(stand, kit, rate, readings)
            outcome = ClientsOutcome(**json.loads(await _line(process, folder, _FINISH_SECONDS)))
            seconds, cpu = time.time() - began, cpu_seconds(process_id) - cpu_before
            memory = resident_bytes(process_id)
    if outcome.told + outcome.skipped != clients * readings or outcome.twice:
        raise BenchError(f"{clients * readings:,} values should have been told; it was {outcome}.")
    delays = sorted(
        (arrived_at - times.committed_at[number]) * 1000
        for number, arrived_at in ARRIVED.iter_unpack(log.read_bytes())
    )
    cuts = quantiles(delays, n=100)
    return LiveFigures(
        values=outcome.told,
        skipped=outcome.skipped,
        p50_ms=cuts[49],
        p99_ms=cuts[98],
        most_ms=delays[-1],
        cpu_share=cpu / seconds,
        cpu_us_per_value=cpu / max(1, outcome.told) * 1e6,
        memory_bytes=memory,
    )


async def _store(stand: Installation, kit: Kit, rate: float, readings: int) -> CommitTimes:
    """Store readings like an ingester does, evenly spaced, and return when each was committed."""
    pipeline = IngestPipeline(connector(stand.url, "measuring ingest"), KitRegistry())
    working = asyncio.create_task(pipeline.run())
    times = CommitTimes()
    began = time.perf_counter()
    try:
        for number in range(readings):
            await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
            peripheral, quantity_type = kit.series[number % len(kit.series)]
            reading = RawMeasurement(
                id=uuid.uuid4().bytes,
                datetime_ms=int(time.time() * 1000),
                peripheral=peripheral,
                quantity_type=quantity_type,
                value=float(number),
            )
            topic = f"kit/{kit.serial}/measurement/raw"
            pipeline.offer(times, number, topic, encode_raw_measurement(reading))
        await until(lambda: len(times.committed_at) == readings, "the last commit")
    finally:
        await pipeline.stop(5)
        await working
    return times


@contextlib.asynccontextmanager
async def _clients(folder: Path, order: ClientsOrder) -> AsyncIterator[asyncio.subprocess.Process]:
    async with running([sys.executable, _PROGRAM], log=folder / "live-clients.log", talks=True) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps(asdict(order)).encode() + b"\n")
        await _line(process, folder, _SUBSCRIBE_SECONDS)
        yield process


async def _line(process: asyncio.subprocess.Process, folder: Path, timeout_seconds: float) -> bytes:
    assert process.stdout is not None
    async with asyncio.timeout(timeout_seconds):
        line = await process.stdout.readline()
    if not line:
        raise BenchError(f"The clients ended early: {(folder / 'live-clients.log').read_text()[-500:].strip()}")
    return line
