"""Readings stored and acknowledged per second, their cost, and mosquitto_sub's rate under the same load."""

from __future__ import annotations

import asyncio
import resource
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from load_generator import Outcome
from rig.bench import Bench
from rig.ingester import ingester
from rig.installation import Counts, Installation, installation
from rig.load import load
from rig.machine import MachineUse, Moment
from rig.mosquitto import keep_session, mosquitto
from rig.processes import BenchError, cpu_seconds, is_running, tree_cpu_seconds
from rig.result import Result

REACH_RATE = 15_000
REACH_SHARE = 0.6
REACH_CPU_US = 45

_POLL_SECONDS = 0.1
_TIMEOUT_SECONDS = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """Measured from the first reading sent until the last one stored (or received). CPU in µs per reading."""

    rate: float
    published_rate: float
    receiver_cpu: float
    broker_cpu: float
    database_cpu: float
    load_cpu: float
    machine: MachineUse

    @property
    def load_share(self) -> float:
        """The share of the measurement's CPU time that was used to generate the load."""
        return self.load_cpu / (self.receiver_cpu + self.broker_cpu + self.database_cpu + self.load_cpu)

    def describe(self) -> str:
        """Return a one-line summary."""
        return (
            f"{self.rate:,.0f}/s (published at {self.published_rate:,.0f}/s); µs of CPU per reading: "
            f"receiver {self.receiver_cpu:.1f}, broker {self.broker_cpu:.1f}, "
            f"database {self.database_cpu:.1f}, load {self.load_cpu:.1f} "
            f"({self.load_share:.0%} of these); {self.machine}"
        )


class Meter:
    """Meters the CPU time of the parts, by process id, since its creation; `database` is a process tree."""

    def __init__(
        self, *, receiver: int | None = None, broker: int | None = None, database: int | None = None
    ) -> None:
        self._ids = (receiver, broker, database)
        self._before = self._seconds()
        self._start = Moment.now()

    def result(self, readings: int, ended_at: float, outcome: Outcome) -> Throughput:
        """Return the result for this many readings, the last of which was done at `ended_at`."""
        used = [after - before for after, before in zip(self._seconds(), self._before, strict=True)]
        ended_children, receiver_seconds, broker_seconds, database_seconds = used
        if self._ids[0] is None:
            receiver_seconds = ended_children
        own_seconds = receiver_seconds + broker_seconds + database_seconds + outcome.cpu_seconds
        return Throughput(
            rate=readings / (ended_at - outcome.started_at),
            published_rate=readings / (outcome.acknowledged_at - outcome.started_at),
            receiver_cpu=receiver_seconds / readings * 1e6,
            broker_cpu=broker_seconds / readings * 1e6,
            database_cpu=database_seconds / readings * 1e6,
            load_cpu=outcome.cpu_seconds / readings * 1e6,
            machine=MachineUse.between(self._start, Moment.now(), own_seconds),
        )

    def _seconds(self) -> tuple[float, float, float, float]:
        receiver, broker, database = self._ids
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        return (
            ended.ru_utime + ended.ru_stime,
            cpu_seconds(receiver) if receiver else 0.0,
            cpu_seconds(broker) if broker else 0.0,
            tree_cpu_seconds(database) if database else 0.0,
        )


async def throughput(bench: Bench) -> None:
    """Readings stored and acknowledged per second, and their CPU time."""
    async with installation(bench.data_dir("throughput")) as stand:
        references, ours = [], []
        for _ in range(bench.size.rounds):
            references.append(await measure_received(bench.folder, stand, bench.size.readings))
            note("mosquitto_sub", references[-1])
            await stand.empty()
            ours.append(await measure_stored(bench.folder, stand, bench.size.readings))
            note("hortus ingest", ours[-1])
    rate, reference = median(each.rate for each in ours), median(each.rate for each in references)
    bench.found(
        Result(
            figure=f"stored and acknowledged, {bench.size.readings:,} readings",
            value=f"{rate:,.0f}/s, {rate / reference:.2f} of the reference",
            reach=f"≥ {REACH_RATE:,}/s, ≥ {REACH_SHARE}",
            reference=f"mosquitto_sub {reference:,.0f}/s",
            met=rate >= REACH_RATE and rate >= REACH_SHARE * reference,
        )
    )
    cpu = median(each.receiver_cpu for each in ours)
    theirs = median(each.receiver_cpu for each in references)
    bench.found(
        Result(
            figure="ingester CPU per reading (user + system)",
            value=f"{cpu:.1f} µs",
            reach=f"≤ {REACH_CPU_US} µs",
            reference=f"mosquitto_sub {theirs:.1f} µs",
            met=cpu <= REACH_CPU_US,
        )
    )


async def measure_stored(folder: Path, stand: Installation, readings: int) -> Throughput:
    """Measure one ingester that stores this many readings from its own broker."""
    async with (
        mosquitto(folder / "broker", stand.kits) as broker,
        ingester(folder, stand, broker) as process_id,
        load(folder, broker.port, stand.kits, readings) as ready,
    ):
        before = await stand.counts()
        meter = Meter(receiver=process_id, broker=broker.process_id, database=stand.postgres_process_id)
        await ready.begin()
        ended_at = await wait_until_stored(stand, before.all + readings, process_id)
        outcome = await ready.finished()
        result = meter.result(readings, ended_at, outcome)
    await check_all_stored(stand, before, readings, outcome.started_at)
    return result


async def measure_received(folder: Path, stand: Installation, readings: int) -> Throughput:
    """Measure mosquitto_sub receiving and discarding this many readings with the same subscription."""
    async with mosquitto(folder / "broker", stand.kits) as broker:
        command = broker.subscriber("reference")
        await keep_session(command)
        async with load(folder, broker.port, stand.kits, readings) as ready:
            # It exits after the last reading; its CPU time is then part of the terminated children's.
            meter = Meter(broker=broker.process_id)
            receiver = await asyncio.create_subprocess_exec(
                *command, "-C", str(readings), stdout=asyncio.subprocess.DEVNULL
            )
            try:
                await ready.begin()
                async with asyncio.timeout(_TIMEOUT_SECONDS):
                    await receiver.wait()
                return meter.result(readings, time.time(), await ready.finished())
            finally:
                if receiver.returncode is None:
                    receiver.kill()
                    await receiver.wait()


async def wait_until_stored(stand: Installation, messages: int, ingester_process_id: int) -> float:
    """Wait until this many messages have an outcome; return the time (epoch seconds).

    Raises BenchError if the ingester ends before that.
    """
    async with asyncio.timeout(_TIMEOUT_SECONDS):
        while (await stand.counts()).all < messages:
            if not is_running(ingester_process_id):
                raise BenchError("The ingester ended by itself; run `hortus ingest` by hand to see why.")
            await asyncio.sleep(_POLL_SECONDS)
    return time.time()


async def check_all_stored(stand: Installation, before: Counts, readings: int, since: float) -> None:
    """Raise BenchError unless each reading sent since then was stored exactly once: losses do not count."""
    after = await stand.counts()
    rows = await stand.rows_since(since)
    if rows != readings or after.stored - before.stored != readings or after.all - before.all != readings:
        raise BenchError(
            f"Sent {readings} readings and found {rows} rows; ledger: {before} before, {after} after."
        )


def note(name: str, found: Throughput) -> None:
    """Print the result of a round."""
    print(f"  {name}: {found.describe()}", flush=True)
