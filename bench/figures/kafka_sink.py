"""From Kafka to PostgreSQL: the rate at which `hortus sink` stores a backlog."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from pathlib import Path

from rig.installation import Installation, Kit
from rig.machine import MachineUse, Moment
from rig.processes import MEBIBYTE, BenchError, cpu_seconds, peak_resident_bytes, running, tree_cpu_seconds
from rig.stream import Stream
from rig.worker import HORTUS

_TIMEOUT_SECONDS = 900.0
_MANY_KITS = """
WITH kit AS (
    INSERT INTO kits (serial, password_hash, name)
    SELECT 'k-many-' || lpad((n / 10000)::text, 4, '0') || '-' || lpad((n % 10000)::text, 4, '0'), '', 'many'
    FROM generate_series(1, $1) AS n RETURNING id, serial
), configuration AS (
    INSERT INTO kit_configurations
        (kit_id, controller_symbol_location, controller_symbol, control_rules, active, first_activated_at)
    SELECT id, '', '', '{}', true, now() FROM kit RETURNING id, kit_id
), peripheral AS (
    INSERT INTO peripherals (kit_id, kit_configuration_id, peripheral_definition_id, name, configuration)
    SELECT kit_id, id, (SELECT min(id) FROM peripheral_definitions), 'sensor', '{}' FROM configuration
    RETURNING id, kit_id
)
SELECT kit.serial, peripheral.id AS peripheral_id FROM kit JOIN peripheral ON peripheral.kit_id = kit.id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The result of storing a backlog. CPU in µs per reading."""

    rate: float
    sink_cpu: float
    database_cpu: float
    kafka_cpu: float
    sink_memory_mb: float
    machine: MachineUse

    def __str__(self) -> str:
        return (
            f"{self.rate:,.0f}/s; µs of CPU per reading: sinks {self.sink_cpu:.1f}, database "
            f"{self.database_cpu:.1f}, Kafka {self.kafka_cpu:.1f}; memory of a sink "
            f"{self.sink_memory_mb:.0f} MB; {self.machine}"
        )


async def measure_sinks(folder: Path, stand: Installation, stream: Stream, readings: int, sinks: int) -> Stored:
    """Measure this many sinks that store the backlog, from the moment all of them are working."""
    await stand.empty()
    environment = stream.environment | {
        "DATABASE_URL": stand.url.libpq(),
        "KAFKA_CONSUMER_GROUP": f"sinks-{sinks}-{time.time()}",
    }
    async with contextlib.AsyncExitStack() as stack:
        processes = [
            await stack.enter_async_context(
                running([HORTUS, "sink", "--stream", "raw"], log=folder / "sink.log", environment=environment)
            )
            for _ in range(sinks)
        ]
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            while (first := (await stand.counts()).all) == 0:
                if any(process.returncode is not None for process in processes):
                    raise BenchError(f"A sink has ended; {folder / 'sink.log'} says why.")
                await asyncio.sleep(0.02)
            begun, start = time.monotonic(), Moment.now()
            before = _processor_seconds(processes, stand, stream)
            while (await stand.counts()).all < readings:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        seconds = time.monotonic() - begun
        used = [
            now - then for now, then in zip(_processor_seconds(processes, stand, stream), before, strict=True)
        ]
        machine = MachineUse.between(start, Moment.now(), sum(used))
        memory = max(peak_resident_bytes(process.pid) for process in processes) / MEBIBYTE
    counts = await stand.counts()
    if counts.other or counts.stored != readings:
        raise BenchError(f"Of {readings} readings the ledger has {counts}.")
    done = readings - first
    sink_cpu, database_cpu, kafka_cpu = (each / done * 1e6 for each in used)
    return Stored(
        rate=done / seconds,
        sink_cpu=sink_cpu,
        database_cpu=database_cpu,
        kafka_cpu=kafka_cpu,
        sink_memory_mb=memory,
        machine=machine,
    )


def _processor_seconds(
    processes: list[asyncio.subprocess.Process], stand: Installation, stream: Stream
) -> tuple[float, float, float]:
    return (
        sum(cpu_seconds(process.pid) for process in processes),
        tree_cpu_seconds(stand.postgres_process_id),
        cpu_seconds(stream.process_id),
    )


async def make_many_kits(stand: Installation, count: int) -> list[Kit]:
    """Create this many kits with one sensor each, directly in the database."""
    async with stand.connection.transaction():
        rows = await stand.connection.fetch(_MANY_KITS, count)
    return [Kit(serial=row["serial"], password="", series=[(row["peripheral_id"], 1)]) for row in rows]
