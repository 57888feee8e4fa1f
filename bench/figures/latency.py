"""The latency from writing a PUBLISH to another database client being notified of the commit.

A commit's own timestamp is taken before its log is on the disk, and the broker's PUBACK says nothing about the
database. So a separate listener records when it is notified of a commit (channel `hortus_stored`, sent after
the commit is durable and visible). That is what a live page sees, and the latest of all candidates. Readings
are matched to notifications as follows: every transaction that stores readings sends exactly one, and
PostgreSQL delivers them in commit order; `track_commit_timestamp`, enabled for this measurement, gives that
order.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any
from uuid import UUID

from figures.throughput import check_all_stored, wait_until_stored
from hortus.base.database.engine import connector
from hortus.flow.ingest.store import LIVE_CHANNEL
from load_generator import SENT
from rig.bench import Bench
from rig.ingester import ingester
from rig.installation import Installation, installation
from rig.load import load
from rig.mosquitto import mosquitto
from rig.processes import BenchError, until
from rig.result import Result

REACH_P50_MS, REACH_P99_MS = 30, 250

# For the first readings, the ingester still has to look up the kits and prepare its statements.
_WARM_UP_SECONDS = 2.0

_TRANSACTIONS = """
SELECT id, xmin::text AS transaction FROM raw_measurements WHERE received_at >= to_timestamp($1)
"""
_ORDER_OF_COMMITS = """
SELECT transaction FROM (
    SELECT DISTINCT xmin AS transaction FROM raw_measurements WHERE received_at >= to_timestamp($1)
) AS found
ORDER BY pg_xact_commit_timestamp(transaction)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Milliseconds, over all readings after the first two seconds."""

    readings: int
    commits: int
    p50_ms: float
    p99_ms: float
    most_ms: float


async def latency(bench: Bench) -> None:
    """From publish to commit at 2,000 readings per second."""
    # Records the order of commits; the only setting that differs from the shipped ones, in this figure alone.
    settings = {"track_commit_timestamp": "on"}
    async with installation(bench.data_dir("latency"), server_settings=settings) as stand:
        found = await measure_latency(bench.folder, stand, rate=2000, seconds=bench.size.latency_seconds)
    print(
        f"  {found.readings:,} readings in {found.commits:,} commits; the slowest took {found.most_ms:.0f} ms"
    )
    bench.found(
        Result(
            figure="publish to commit at 2,000/s",
            value=f"p50 {found.p50_ms:.0f} ms, p99 {found.p99_ms:.0f} ms",
            reach=f"p50 ≤ {REACH_P50_MS} ms, p99 ≤ {REACH_P99_MS} ms",
            met=found.p50_ms <= REACH_P50_MS and found.p99_ms <= REACH_P99_MS,
        )
    )


async def measure_latency(folder: Path, stand: Installation, *, rate: float, seconds: float) -> Latency:
    """Publish at a steady rate, and record when each reading's commit is announced."""
    readings = int(rate * seconds)
    sent_log = folder / "sent.log"
    told_at: list[float] = []
    listener = await connector(stand.url, "measuring commits")()
    await listener.add_listener(LIVE_CHANNEL, lambda *_: told_at.append(time.time()))
    try:
        async with (
            mosquitto(folder / "broker", stand.kits) as broker,
            ingester(folder, stand, broker) as process_id,
            load(folder, broker.port, stand.kits, readings, rate=rate, sent_log=sent_log) as ready,
        ):
            before = await stand.counts()
            outcome = await ready.send()
            await wait_until_stored(stand, before.all + readings, process_id)
        await check_all_stored(stand, before, readings, outcome.started_at)
        order = [row["transaction"] for row in await _rows(stand, _ORDER_OF_COMMITS, outcome.started_at)]
        await until(lambda: len(told_at) >= len(order), "the last notification")
    finally:
        await listener.close()
    if len(told_at) != len(order):
        raise BenchError(f"{len(order)} transactions stored readings, but {len(told_at)} were announced.")
    committed_at = dict(zip(map(str, order), told_at, strict=True))
    stored = {
        row["id"]: committed_at[row["transaction"]]
        for row in await _rows(stand, _TRANSACTIONS, outcome.started_at)
    }
    sent = {UUID(bytes=reading_id): at for reading_id, at in SENT.iter_unpack(sent_log.read_bytes())}
    first = min(sent.values()) + _WARM_UP_SECONDS
    latencies = sorted((stored[reading_id] - at) * 1000 for reading_id, at in sent.items() if at >= first)
    cuts = quantiles(latencies, n=100)
    return Latency(
        readings=len(latencies), commits=len(order), p50_ms=cuts[49], p99_ms=cuts[98], most_ms=latencies[-1]
    )


async def _rows(stand: Installation, statement: str, since: float) -> list[Any]:
    # The ingester's timestamps are in whole milliseconds.
    rows: list[Any] = await stand.connection.fetch(statement, since - 0.001)
    return rows
