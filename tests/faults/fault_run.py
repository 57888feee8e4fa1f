"""A fault run: load, faults at random moments, recovery after each, and the verdict when all is quiet."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Protocol, TypeVar

import asyncpg
from fault_journal import Journal
from fault_kits import Kit, KitPauses, Load
from fault_readings import Account, MessageMaker
from fault_verdict import Verdict, judge, not_stored

from waiting import PATIENCE_SECONDS, until

T = TypeVar("T")

READINGS_PER_SECOND = 200.0

# A kit that says everything once: then the ledger must have received each message once.
NO_REPETITION = KitPauses(retry_seconds=3600.0, keep_alive_seconds=3600)


class Place(Protocol):
    """What is under test, as far as every run needs it."""

    accounts: list[Account]

    @property
    def mqtt_port(self) -> int:
        """Where kits connect."""

    async def connect(self) -> asyncpg.Connection:
        """Connect to the database from outside."""

    def check_running(self) -> None:
        """Fail if something has ended by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long a run is and what it draws from. `seed` decides moments, faults and readings."""

    seed: int
    seconds: float
    """Every fault happens once; then they go on in random order until this time is over."""


@dataclass(slots=True, kw_only=True)
class Report:
    """What a run came to, for people."""

    scenario: str
    seed: int
    verdict: Verdict
    recoveries_seconds: dict[str, list[float]]
    """By fault: how long until everything that had been sent when it ended was stored."""

    def lines(self) -> Iterator[str]:
        """Return the run in a line, and a line for each fault."""
        verdict = self.verdict
        faults = sum(map(len, self.recoveries_seconds.values()))
        yield (
            f"{self.scenario}, seed {self.seed}: {faults} faults, {verdict.sent} messages sent, "
            f"{verdict.finished} acknowledged, {len(verdict.lost)} lost, {verdict.twice} stored twice, "
            f"{verdict.duplicates} redeliveries counted"
        )
        for fault, seconds in sorted(self.recoveries_seconds.items()):
            recovery = f"recovered in {median(seconds):.1f} s, worst {max(seconds):.1f} s"
            yield f"    {fault}: {len(seconds)} x, {recovery}"


REPORTS: list[Report] = []


class Run:
    """One run against one place. Faults use `dice` for their own choices."""

    def __init__(self, place: Place, plan: Plan, journal: Journal, load: Load) -> None:
        self.place = place
        self.dice = random.Random(plan.seed)
        self.journal = journal
        self.load = load
        self._plan = plan
        self._recoveries_seconds: dict[str, list[float]] = {}

    async def inflict(self, faults: Mapping[str, Fault]) -> None:
        """Let faults happen, each at a random moment of the load, in random order; await each recovery."""
        began = time.monotonic()
        while not self._recoveries_seconds or time.monotonic() - began < self._plan.seconds:
            for name in self.dice.sample(list(faults), len(faults)):
                await self.flow(self.dice.uniform(0.3, 1.2))
                ended_at = await faults[name](self)
                await self._recover(name, ended_at)

    async def flow(self, seconds: float) -> None:
        """Let the load go on for a while: how long a fault waits, or lasts."""
        await asyncio.sleep(seconds)

    async def finish(self, scenario: str, *, exactly_once_received: bool = False) -> Report:
        """Let the kits finish, wait until nothing changes any more, judge, and fail if a promise was broken."""
        await self.load.make_no_more()
        await until(lambda: not self.load.unfinished, f"{self.load.unfinished} messages to be acknowledged")
        if exactly_once_received:
            assert all(kit.connections == 1 for kit in self.load.kits)
            assert set(self.journal.deliveries.values()) == {1}
        verdict = await self._settled_verdict(exactly_once_received)
        report = Report(
            scenario=scenario,
            seed=self._plan.seed,
            verdict=verdict,
            recoveries_seconds=self._recoveries_seconds,
        )
        REPORTS.append(report)
        verdict.complain("messages are lost that were acknowledged", sorted(verdict.lost))
        explanation = "\n".join([*report.lines(), *verdict.problems, f"journal: {self.journal.path}"])
        assert not verdict.problems, explanation
        assert verdict.stored > 0, explanation
        return report

    async def database(self) -> asyncpg.Connection:
        """Connect to the database, waiting until it can be reached."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return await self.place.connect()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                assert time.monotonic() < deadline, "waited in vain for the database"
                await asyncio.sleep(0.05)

    async def query(self, ask: Callable[[asyncpg.Connection], Awaitable[set[T]]]) -> set[T]:
        """Ask the database, again if it goes away meanwhile."""
        while True:
            connection = await self.database()
            try:
                return await ask(connection)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await asyncio.sleep(0.05)
            finally:
                connection.terminate()

    async def ingest_backends(self) -> list[int]:
        """Return the process ids of PostgreSQL's workers for ingest, once there are any."""
        found: set[int] = set()
        while not found:
            found = await self.query(_ingest_backends)
        return sorted(found)

    async def missing(self, numbers: set[int]) -> set[int]:
        """Return those of these messages whose readings are not in the database; rubbish is left out."""
        readings = {
            message.reading: number
            for number in numbers
            if (message := self.journal.sent[number]).reading is not None
        }
        absent = await self.query(lambda connection: not_stored(connection, set(readings)))
        return {readings[reading] for reading in absent}

    async def _recover(self, name: str, ended_at: float) -> None:
        """Wait until all that was sent before the fault ended is stored, and note how long that took."""
        due = {number for number, message in self.journal.sent.items() if message.made_at <= ended_at}
        due = await self.missing(due)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while due:
            self.place.check_running()
            assert time.monotonic() < deadline, f"after {name}, {len(due)} readings did not get through"
            await asyncio.sleep(0.05)
            due = await self.missing(due)
        self._recoveries_seconds.setdefault(name, []).append(time.monotonic() - ended_at)

    async def _settled_verdict(self, exactly_once_received: bool) -> Verdict:
        promised = set(self.journal.finished)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            connection = await self.database()
            try:
                verdict = await judge(
                    connection,
                    self.journal,
                    promised=promised,
                    exactly_once_received=exactly_once_received,
                )
            finally:
                await connection.close()
            if not verdict.lost or time.monotonic() > deadline:
                return verdict
            await asyncio.sleep(0.1)


async def _ingest_backends(connection: asyncpg.Connection) -> set[int]:
    rows = await connection.fetch("SELECT pid FROM pg_stat_activity WHERE application_name = 'hortus ingest'")
    return {row["pid"] for row in rows}


Fault = Callable[[Run], Awaitable[float]]
"""Does harm, repairs it, and returns the time of the monotonic clock at which the fault was over."""


@contextlib.asynccontextmanager
async def loaded(place: Place, plan: Plan, folder: Path, pauses: KitPauses | None = None) -> AsyncIterator[Run]:
    """Put a place under load for as long as the context lasts; the first readings are stored when it begins."""
    print(f"fault seed {plan.seed}")
    journal = Journal(folder / "journal")
    maker = MessageMaker(random.Random(plan.seed + 1))
    kits = [Kit(account, place.mqtt_port, journal, pauses or KitPauses()) for account in place.accounts]
    load = Load(kits, maker, READINGS_PER_SECOND)
    load.start()
    try:
        await until(lambda: len(journal.finished) >= len(kits), "the first acknowledgements")
        yield Run(place, plan, journal, load)
    finally:
        await load.stop()
        journal.close()
