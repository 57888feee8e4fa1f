"""Measures the topology with Kafka: `python bench/kafka.py [--quick]`.

Mosquitto, Kafka (one node, heap 384 MB), PostgreSQL, the load and the processes under measurement share this
machine. Kafka is downloaded if missing (scripts/fetch-kafka). Exit code 1 if a figure misses its target.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

import uvloop

from figures.kafka_ingest import measure_ingest
from figures.kafka_sink import make_many_kits, measure_sinks
from figures.throughput import measure_received
from rig.installation import installation
from rig.machine import describe
from rig.processes import BenchError
from rig.result import Result, markdown
from rig.stream import count_only, fill, kafka

REACH_INGEST_RATE = 12_000
REACH_SINK_RATE = 30_000

MANY_KITS = 100_000
_BYTES_PER_ROW = """
SELECT sum(pg_total_relation_size(relid))::float8 / (SELECT count(*) FROM raw_measurements)
FROM pg_partition_tree('raw_measurements') WHERE isleaf
"""


async def measure(folder: Path, readings: int, backlog: int) -> list[Result]:
    """Measure everything, and print each figure as soon as it is available."""
    print(describe(), flush=True)
    async with installation(folder / "data") as stand, kafka(folder) as stream:
        reference = await measure_received(folder, stand, readings)
        print(f"  mosquitto_sub: {reference.describe()}", flush=True)
        await measure_ingest(folder, stand, stream, readings // 5)  # warms up Kafka's JIT compiler
        rate, cpu = await measure_ingest(folder, stand, stream, readings)
        results = [
            Result(
                figure=f"MQTT to Kafka, acknowledged, {readings:,} readings",
                value=f"{rate:,.0f}/s, {rate / reference.rate:.2f} of the reference; {cpu:.0f} µs of CPU each",
                reach=f"≥ {REACH_INGEST_RATE:,}/s",
                reference=f"mosquitto_sub {reference.rate:,.0f}/s",
                met=rate >= REACH_INGEST_RATE,
            )
        ]
        await asyncio.to_thread(fill, stream, stand.kits, backlog)
        bare = await asyncio.to_thread(count_only, stream, backlog)
        print(f"  a consumer that only counts: {bare:,.0f}/s", flush=True)
        one = await measure_sinks(folder, stand, stream, backlog, 1)
        print(f"  one sink: {one}", flush=True)
        two = await measure_sinks(folder, stand, stream, backlog, 2)
        print(f"  two sinks: {two}", flush=True)
        results.append(
            Result(
                figure=f"Kafka to PostgreSQL, one sink, backlog of {backlog:,}",
                value=f"{one.rate:,.0f}/s; {one.sink_cpu:.0f} µs of CPU each",
                reach=f"≥ {REACH_SINK_RATE:,}/s",
                reference=f"counting only {bare:,.0f}/s",
                met=one.rate >= REACH_SINK_RATE,
            )
        )
        results.append(
            Result(
                figure="two sinks against one",
                value=f"{two.rate:,.0f}/s, {two.rate / one.rate:.2f} of one",
                reference=f"one sink {one.rate:,.0f}/s",
            )
        )
        size = await stand.connection.fetchval(_BYTES_PER_ROW)
        kits = await make_many_kits(stand, MANY_KITS)
        await asyncio.to_thread(fill, stream, kits, backlog // 5)
        many = await measure_sinks(folder, stand, stream, backlog // 5, 1)
        print(f"  one sink, {MANY_KITS:,} kits: {many}", flush=True)
        results.append(
            Result(
                figure=f"one sink, readings of {MANY_KITS:,} kits in turn",
                value=f"{many.rate:,.0f}/s; {many.sink_cpu:.0f} µs of CPU, database {many.database_cpu:.0f}",
                reference=f"{len(stand.kits)} kits {one.rate:,.0f}/s, database {one.database_cpu:.0f} µs",
            )
        )
        results.append(Result(figure="bytes in PostgreSQL per reading, index included", value=f"{size:.0f}"))
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the readings")
    options = parser.parse_args()
    readings, backlog = (30_000, 100_000) if options.quick else (300_000, 1_000_000)
    with tempfile.TemporaryDirectory(prefix="hortus-bench-") as folder:
        try:
            results = uvloop.run(measure(Path(folder), readings, backlog))
        except BenchError as error:
            sys.exit(str(error))
    print(markdown(results))
    sys.exit(any(result.met is False for result in results))


if __name__ == "__main__":
    main()
