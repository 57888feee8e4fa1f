"""What the built-in endpoint acknowledges per second: with every reading stored first, and with none."""

from __future__ import annotations

from pathlib import Path

from figures.throughput import Meter, Throughput
from rig.installation import Kit, rows_in
from rig.load import load
from rig.one_box import endpoint_without_storing, one_box
from rig.processes import BenchError


async def measure_endpoint(folder: Path, data_dir: Path, kits: list[Kit], readings: int) -> Throughput:
    """Publish to `hortus up`, which acknowledges after the commit. The data directory must not be in use."""
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
    """Publish to an endpoint that acknowledges at once and stores nothing."""
    async with endpoint_without_storing() as (port, process_id), load(folder, port, kits, readings) as ready:
        meter = Meter(receiver=process_id)
        outcome = await ready.send()
        return meter.result(readings, outcome.acknowledged_at, outcome)
