"""The memory use of the ingester, with no readings and with a million readings waiting at the broker."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from figures.throughput import check_all_stored, wait_until_stored
from rig.bench import Bench
from rig.ingester import ingester
from rig.installation import Installation, installation
from rig.load import load
from rig.mosquitto import mosquitto
from rig.processes import MEBIBYTE, peak_resident_bytes
from rig.result import Result

REACH_MEMORY_MB = 150
# "Flat": the factor by which memory may grow with a million waiting readings.
REACH_MEMORY_GROWTH = 1.25

_STEADY_RATE = 2000
_STEADY_SECONDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Peaks of resident memory. `drain_rate`: readings stored per second while the queue was drained."""

    nothing_waits_bytes: int
    many_wait_bytes: int
    waiting: int
    drain_rate: float


async def memory(bench: Bench) -> None:
    """The memory use of the ingester without and with a large queue at the broker."""
    async with installation(bench.data_dir("memory")) as stand:
        await stand.empty()
        found = await measure_memory(bench.folder, stand, bench.size.waiting)
    print(f"  drained {found.waiting:,} waiting readings at {found.drain_rate:,.0f}/s")
    least, most = found.nothing_waits_bytes / MEBIBYTE, found.many_wait_bytes / MEBIBYTE
    bench.found(
        Result(
            figure=f"ingester memory (peak) with {found.waiting:,} readings waiting",
            value=f"{most:.0f} MB",
            reach=f"≤ {REACH_MEMORY_MB} MB and flat",
            reference=f"{least:.0f} MB with none waiting",
            met=max(least, most) <= REACH_MEMORY_MB and most <= least * REACH_MEMORY_GROWTH,
        )
    )


async def measure_memory(folder: Path, stand: Installation, waiting: int) -> Memory:
    """Measure one ingester that keeps up, and one that reconnects to this many waiting readings."""
    async with mosquitto(folder / "broker", stand.kits) as broker:
        readings = _STEADY_RATE * _STEADY_SECONDS
        before = await stand.counts()
        async with (
            ingester(folder, stand, broker) as process_id,
            load(folder, broker.port, stand.kits, readings, rate=_STEADY_RATE) as ready,
        ):
            steady = await ready.send()
            await wait_until_stored(stand, before.all + readings, process_id)
            nothing_waits_bytes = peak_resident_bytes(process_id)
        await check_all_stored(stand, before, readings, steady.started_at)
        # The ingester has ended but its session remains: from now on readings queue in it.
        before = await stand.counts()
        async with load(folder, broker.port, stand.kits, waiting) as ready:
            await ready.send()
        began = time.time()
        async with ingester(folder, stand, broker) as process_id:
            connected = await stand.counts()
            connected_at = time.time()
            ended_at = await wait_until_stored(stand, before.all + waiting, process_id)
            many_wait_bytes = peak_resident_bytes(process_id)
        await check_all_stored(stand, before, waiting, began)
        return Memory(
            nothing_waits_bytes=nothing_waits_bytes,
            many_wait_bytes=many_wait_bytes,
            waiting=waiting,
            drain_rate=(before.all + waiting - connected.all) / (ended_at - connected_at),
        )
