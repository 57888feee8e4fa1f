"""The ingest rate with a year of readings in the table, compared with that of an empty table.

The table is filled month by month, in order of time with all kits interleaved, as if they had arrived. Past
months are built without a log and indexed at the end; the current month, where new readings go, is inserted
with its index in place, so that the index pages are filled realistically.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import asyncpg

from figures.throughput import measure_stored, note
from hortus.base.database.engine import connector
from hortus.base.database.partitions import Month, ensure_partitions
from rig.bench import Bench
from rig.installation import Installation, installation
from rig.processes import BenchError
from rig.result import Result

REACH_FULL_SHARE = 0.8

BYTES_PER_ROW = 150
"""Row and index, with a margin."""

_SPAN = timedelta(days=365)

# Peripherals and quantity types repeat in the pattern of a kit's series. The hash stands in for a random UUID,
# which takes PostgreSQL five times as long to generate.
_READINGS = """
SELECT timestamptz 'epoch' + make_interval(secs => $1::float8 + number * $2::float8) AS datetime,
       timestamptz 'epoch' + make_interval(secs => $1::float8 + number * $2::float8 + 0.05) AS received_at,
       (number * 7919 % 10007)::float8 / 100.1 AS value,
       md5($1::float8::text || number)::uuid AS id,
       kits.kit_ids[number % kits.size + 1] AS kit_id,
       kits.peripheral_ids[number % kits.size + 1] AS peripheral_id,
       kits.configuration_ids[number % kits.size + 1] AS kit_configuration_id,
       kits.quantity_type_ids[number % kits.size + 1] AS quantity_type_id
FROM generate_series(0, $3::bigint - 1) AS number,
     (SELECT array_agg(kit_id ORDER BY nth, kit_id) AS kit_ids,
             array_agg(id ORDER BY nth, kit_id) AS peripheral_ids,
             array_agg(kit_configuration_id ORDER BY nth, kit_id) AS configuration_ids,
             array_agg(quantity_type_id ORDER BY nth, kit_id) AS quantity_type_ids,
             count(*)::int AS size
      FROM (SELECT p.kit_id, p.id, p.kit_configuration_id, e.quantity_type_id,
                   row_number() OVER (PARTITION BY p.kit_id ORDER BY p.id, e.quantity_type_id) AS nth
            FROM peripherals p
            JOIN peripheral_definition_expected_quantity_types e
              ON e.peripheral_definition_id = p.peripheral_definition_id) AS series) AS kits
"""
_COLUMNS = "datetime, received_at, value, id, kit_id, peripheral_id, kit_configuration_id, quantity_type_id"


async def full_table(bench: Bench) -> None:
    """The ingest rate with many stored rows, compared with that of an empty table."""
    async with installation(bench.data_dir("full_table")) as stand:
        empty, full = [], []
        for _ in range(bench.size.rounds):
            await stand.empty()
            empty.append(await measure_stored(bench.folder, stand, bench.size.readings))
            note("empty table", empty[-1])
        await stand.empty()
        await fill(stand, bench.size.rows, bench.folder, lambda sentence: print(f"  {sentence}", flush=True))
        for _ in range(bench.size.rounds):
            full.append(await measure_stored(bench.folder, stand, bench.size.readings))
            note("full table", full[-1])
        await stand.empty()
    rate, reference = median(each.rate for each in full), median(each.rate for each in empty)
    server = [f"{median(each.database_cpu for each in runs):.1f} µs" for runs in (full, empty)]
    print(f"  CPU of the database per reading: {server[0]} with the full table, {server[1]} with the empty one")
    bench.found(
        Result(
            figure=f"rate at {bench.size.rows:,} stored rows against the empty table",
            value=f"{rate / reference:.2f} ({rate:,.0f}/s)",
            reach=f"≥ {REACH_FULL_SHARE}",
            reference=f"empty table {reference:,.0f}/s",
            met=rate >= REACH_FULL_SHARE * reference,
        )
    )


async def fill(stand: Installation, rows: int, path: Path, report: Callable[[str], None]) -> None:
    """Insert readings spread over the last year. Raises BenchError if the disk is too small."""
    free_bytes = shutil.disk_usage(path).free
    if free_bytes < 2 * rows * BYTES_PER_ROW:
        raise BenchError(
            f"{rows:,} rows need about {rows * BYTES_PER_ROW / 1e9:.0f} GB, and {free_bytes / 1e9:.0f} GB are "
            f"free at {path}; choose fewer with --rows, or another place with --directory."
        )
    end = datetime.now(UTC)
    start = end - _SPAN
    interval = _SPAN / rows
    connection = await connector(stand.url, "filling")()
    try:
        month = Month.of(start)
        while month <= Month.of(end):
            begins, ends = max(start, _start_of(month)), min(end, _start_of(month.later(1)))
            count = int((ends - begins) / interval)
            if month == Month.of(end):
                await _fill_living(connection, month, begins, interval, count)
            else:
                await _fill_past(connection, month, begins, interval, count)
            report(f"filled {month.year}-{month.month:02d} with {count:,} readings")
            month = month.later(1)
        await connection.execute("VACUUM ANALYZE raw_measurements")
    finally:
        await connection.close()
    await stand.checkpoint()


def _start_of(month: Month) -> datetime:
    return datetime.fromisoformat(month.start)


async def _fill_past(
    connection: asyncpg.Connection, month: Month, begins: datetime, interval: timedelta, count: int
) -> None:
    partition = month.partition_of("raw_measurements")
    await connection.execute(f"DROP TABLE IF EXISTS {partition}")
    async with connection.transaction():
        await connection.execute(
            f"CREATE TABLE {partition} (LIKE raw_measurements INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"
        )
        await _insert(connection, partition, begins, interval, count)
        await connection.execute(f"ALTER TABLE {partition} ADD PRIMARY KEY (kit_id, datetime, id)")
        bounds = f"FROM ('{month.start}') TO ('{month.later(1).start}')"
        await connection.execute(
            f"ALTER TABLE raw_measurements ATTACH PARTITION {partition} FOR VALUES {bounds}"
        )


async def _fill_living(
    connection: asyncpg.Connection, month: Month, begins: datetime, interval: timedelta, count: int
) -> None:
    await ensure_partitions(connection, [month])
    await _insert(connection, "raw_measurements", begins, interval, count)


async def _insert(
    connection: asyncpg.Connection, table: str, begins: datetime, interval: timedelta, count: int
) -> None:
    await connection.execute(
        f"INSERT INTO {table} ({_COLUMNS}) {_READINGS}",
        begins.timestamp(),
        interval.total_seconds(),
        count,
        timeout=1200,
    )
