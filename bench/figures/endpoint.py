"""Readings acknowledged by the built-in endpoint per second, with every reading stored first and with none."""

from __future__ import annotations

from pathlib import Path
from statistics import median

from figures.throughput import Meter, Throughput, note
from rig.bench import Bench
from rig.installation import Kit, installation, rows_in
from rig.load import load
from rig.one_box import endpoint_without_storing, one_box
from rig.processes import BenchError
from rig.result import Result

REACH_ENDPOINT_RATE = 6_000


async def endpoint(bench: Bench) -> None:
    """The rate at which `hortus up` stores and acknowledges, and that of its endpoint without storing."""
    data_dir = bench.data_dir("endpoint")
    async with installation(data_dir) as stand:
        kits = stand.kits
    alone, stored = [], []
    for _ in range(bench.size.rounds):
        alone.append(await measure_endpoint_alone(bench.folder, kits, bench.size.endpoint_readings))
        note("endpoint without storing", alone[-1])
        stored.append(await measure_endpoint(bench.folder, data_dir, kits, bench.size.endpoint_readings))
        note("hortus up", stored[-1])
    rate, reference = median(each.rate for each in stored), median(each.rate for each in alone)
    bench.found(
        Result(
            figure="built-in endpoint, stored and acknowledged",
            value=f"{rate:,.0f}/s, {rate / reference:.2f} of the reference",
            reach=f"≥ {REACH_ENDPOINT_RATE:,}/s",
            reference=f"without storing {reference:,.0f}/s",
            met=rate >= REACH_ENDPOINT_RATE,
        )
    )


async def measure_endpoint(folder: Path, data_dir: Path, kits: list[Kit], readings: int) -> Throughput:
    """Publish to `hortus up`, which acknowledges after the commit. Its data directory must not be in use."""
    before = await rows_in(data_dir)
    async with (
        one_box(folder, data_dir) as box,
        load(folder, box.mqtt_port, kits, readings) as ready,
    ):
        meter = Meter(receiver=box.process_id, database=box.postgres_process_id)
        outcome = await ready.send()
        result = meter.result(readings, outcome.acknowledged_at, outcome)
    rows = await rows_in(data_dir) - before
    if rows != readings:
        raise BenchError(f"{readings} readings were acknowledged, and {rows} rows are stored.")
    return result


async def measure_endpoint_alone(folder: Path, kits: list[Kit], readings: int) -> Throughput:
    """Publish to an endpoint that acknowledges immediately and stores nothing."""
    async with endpoint_without_storing() as (port, process_id), load(folder, port, kits, readings) as ready:
        meter = Meter(receiver=process_id)
        outcome = await ready.send()
        return meter.result(readings, outcome.acknowledged_at, outcome)
