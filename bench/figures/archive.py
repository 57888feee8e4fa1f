"""How fast a kit's archive is generated, and whether its memory use depends on the amount of data."""

from __future__ import annotations

import asyncio
import json
import time
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import asyncpg
import httpx

from hortus.base.database.engine import connector
from hortus.base.database.partitions import Month, ensure_partitions
from rig.bench import Bench
from rig.installation import Installation, installation
from rig.machine import MachineUse, Moment
from rig.one_box import OneBox, one_box
from rig.people import access_token
from rig.processes import (
    MEBIBYTE,
    BenchError,
    cpu_seconds,
    peak_resident_bytes,
    resident_bytes,
    tree_cpu_seconds,
)
from rig.result import Result

REACH_ARCHIVE_RATE = 150_000
# "Flat": the factor by which memory may grow from the first to the last quarter of a download.
REACH_ARCHIVE_GROWTH = 1.1

_SPAN = timedelta(days=365)
_SAMPLE_SECONDS = 0.1

# A kit's series in turn. The hash stands in for a random UUID, which takes PostgreSQL five times as long.
_READINGS = """
INSERT INTO raw_measurements
    (datetime, received_at, value, id, kit_id, peripheral_id, kit_configuration_id, quantity_type_id)
SELECT $1::timestamptz + number * $2::interval, $1::timestamptz + number * $2::interval + interval '50 ms',
       (number * 7919 % 10007)::float8 / 100.1, md5($3::text || number)::uuid,
       series.kit_id, series.ids[number % series.size + 1], series.kit_configuration_id,
       series.types[number % series.size + 1]
FROM generate_series(0, $4::bigint - 1) AS number,
     (SELECT p.kit_id, p.kit_configuration_id, count(*)::int AS size,
             array_agg(p.id ORDER BY p.id, e.quantity_type_id) AS ids,
             array_agg(e.quantity_type_id ORDER BY p.id, e.quantity_type_id) AS types
      FROM kits k JOIN peripherals p ON p.kit_id = k.id
      JOIN peripheral_definition_expected_quantity_types e
        ON e.peripheral_definition_id = p.peripheral_definition_id
      WHERE k.serial = $3 GROUP BY 1, 2) AS series
"""
_COPY = """
SELECT * FROM raw_measurements WHERE kit_id = (SELECT id FROM kits WHERE serial = $1) ORDER BY datetime, id
"""


@dataclass(slots=True)
class Memory:
    """Resident memory of the server: before a download, and the peak in each quarter of the time it took."""

    before_bytes: int
    samples: list[int] = field(default_factory=list)

    def quarters(self) -> list[int]:
        """Return the peak of each quarter, in bytes."""
        size = max(1, len(self.samples) // 4)
        return [max(self.samples[part * size : (part + 1) * size] or [0]) for part in range(4)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Downloaded:
    """One download of an archive. CPU time in µs per row."""

    rows: int
    seconds: float
    size_bytes: int
    memory: Memory
    peak_bytes: int
    server_cpu: float
    database_cpu: float
    machine: MachineUse

    @property
    def rate(self) -> float:
        """Rows per second."""
        return self.rows / self.seconds

    def describe(self) -> str:
        """Return a one-line summary."""
        quarters = ", ".join(f"{each / 1e6:.0f}" for each in self.memory.quarters())
        return (
            f"{self.rate:,.0f} rows/s, {self.size_bytes / 1e6:.0f} MB in {self.seconds:.1f} s; memory "
            f"{self.memory.before_bytes / 1e6:.0f} MB before, then by quarters {quarters} MB; "
            f"µs of CPU per row: server {self.server_cpu:.1f}, database {self.database_cpu:.1f}; {self.machine}"
        )


async def archive(bench: Bench) -> None:
    """Downloading a kit's archive over the API to a file, and the memory it takes."""
    data_dir = bench.data_dir("archive")
    rows = bench.size.archive_rows
    copied, ours = [], []
    async with installation(data_dir) as stand:
        serial = await fill_one_kit(stand, rows)
        for _ in range(bench.size.rounds):
            copied.append(await measure_bare_copy(stand, serial, rows))
            print(f"  bare COPY: {copied[-1]:,.0f} rows/s", flush=True)
    for _ in range(bench.size.rounds):
        ours.append(await measure_archive(bench.folder, data_dir, serial, rows))
        print(f"  archive: {ours[-1].describe()}", flush=True)
    rate, reference = median(each.rate for each in ours), median(copied)
    bench.found(
        Result(
            figure=f"archive of {rows:,} readings over the API",
            value=f"{rate:,.0f} rows/s, {rate / reference:.2f} of the reference",
            reach=f"≥ {REACH_ARCHIVE_RATE:,} rows/s",
            reference=f"bare COPY to nowhere {reference:,.0f} rows/s",
            met=rate >= REACH_ARCHIVE_RATE,
        )
    )
    first, last = (median(each.memory.quarters()[part] for each in ours) for part in (0, -1))
    peak = max(each.peak_bytes for each in ours)
    bench.found(
        Result(
            figure="memory of `hortus up` in the last quarter of that download",
            value=f"{last / MEBIBYTE:.0f} MB (peak of all: {peak / MEBIBYTE:.0f} MB)",
            reach="flat",
            reference=f"first quarter {first / MEBIBYTE:.0f} MB",
            met=last <= first * REACH_ARCHIVE_GROWTH,
        )
    )


async def fill_one_kit(stand: Installation, rows: int) -> str:
    """Insert readings of the first kit spread over the last year, and return its serial."""
    serial = stand.kits[0].serial
    end = datetime.now(UTC)
    start = end - _SPAN
    connection = await connector(stand.url, "filling")()
    try:
        months = [Month.of(start).later(number) for number in range(14)]
        await ensure_partitions(connection, months)
        await connection.execute(_READINGS, start, _SPAN / rows, serial, rows, timeout=1200)
        await connection.execute("VACUUM ANALYZE raw_measurements", timeout=1200)
    finally:
        await connection.close()
    await stand.checkpoint()
    return serial


async def measure_bare_copy(stand: Installation, serial: str, rows: int) -> float:
    """Return the rows per second at which PostgreSQL outputs the same rows when they are discarded."""
    connection: asyncpg.Connection = await connector(stand.url, "copying")()

    async def forget(_part: bytes) -> None:
        return

    try:
        began = time.perf_counter()
        status = await connection.copy_from_query(_COPY, serial, output=forget)
        seconds = time.perf_counter() - began
    finally:
        await connection.close()
    if status != f"COPY {rows}":
        raise BenchError(f"There are {status} rows, {rows} were written.")
    return rows / seconds


async def measure_archive(folder: Path, data_dir: Path, serial: str, rows: int) -> Downloaded:
    """Download the kit's archive from `hortus up` and check that it is complete."""
    path = folder / "archive.zip"
    async with one_box(folder, data_dir) as box:
        async with _client(box, data_dir) as client:
            memory = Memory(before_bytes=resident_bytes(box.process_id))
            start = Moment.now()
            server, database = cpu_seconds(box.process_id), tree_cpu_seconds(box.postgres_process_id)
            watching = asyncio.create_task(_watch(box, memory))
            began = time.perf_counter()
            await _download(client, serial, path)
            seconds = time.perf_counter() - began
            watching.cancel()
            server_seconds = cpu_seconds(box.process_id) - server
            database_seconds = tree_cpu_seconds(box.postgres_process_id) - database
            machine = MachineUse.between(start, Moment.now(), server_seconds + database_seconds)
        peak_bytes = peak_resident_bytes(box.process_id)
    await asyncio.to_thread(_check, path, rows)
    return Downloaded(
        rows=rows,
        seconds=seconds,
        size_bytes=path.stat().st_size,
        memory=memory,
        peak_bytes=peak_bytes,
        server_cpu=server_seconds / rows * 1e6,
        database_cpu=database_seconds / rows * 1e6,
        machine=machine,
    )


@asynccontextmanager
async def _client(box: OneBox, data_dir: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Yield an HTTP client of an administrator."""
    headers = {"Authorization": f"Bearer {await access_token(box, data_dir, is_admin=True)}"}
    base_url = f"http://127.0.0.1:{box.http_port}/api"
    async with httpx.AsyncClient(base_url=base_url, headers=headers, timeout=120) as client:
        yield client


async def _download(client: httpx.AsyncClient, serial: str, path: Path) -> None:
    token = (await client.post(f"/kits/{serial}/archive")).raise_for_status().json()
    with path.open("wb") as file:
        async with client.stream("GET", f"/kits/{serial}/archive", params={"token": token}) as answer:
            answer.raise_for_status()
            async for piece in answer.aiter_raw(1024 * 1024):
                file.write(piece)


async def _watch(box: OneBox, memory: Memory) -> None:
    while True:
        memory.samples.append(resident_bytes(box.process_id))
        await asyncio.sleep(_SAMPLE_SECONDS)


def _check(path: Path, rows: int) -> None:
    with zipfile.ZipFile(path) as packed:
        if (damaged := packed.testzip()) is not None:
            raise BenchError(f"{damaged} in the archive is damaged.")
        told = {each["name"]: each["rows"] for each in json.loads(packed.read("contents.json"))["files"]}
        with packed.open("raw_measurements.csv") as file:
            lines = sum(1 for _ in file) - 1
    if not rows == lines == told["raw_measurements.csv"]:
        raise BenchError(f"{rows:,} readings were stored, {lines:,} are in the archive.")
