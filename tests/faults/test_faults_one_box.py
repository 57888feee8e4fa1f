"""`hortus up`: what the kit's own acknowledgement says is stored, exactly once, whatever ends or hangs."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from fault_one_box import OneBox
from fault_run import NO_REPETITION, Fault, Plan, Run, loaded

pytestmark = pytest.mark.slow

# Ingest gives up a silent connection after 8 s, so this is longer.
LONGER_THAN_PATIENCE_SECONDS = 9.0


class Faults:
    """What can happen to the box."""

    def __init__(self, box: OneBox) -> None:
        self.box = box

    async def hortus_killed(self, run: Run) -> float:
        self.box.hortus.kill()
        ended_at = time.monotonic()
        await self.box.start()
        return ended_at

    async def hortus_paused(self, run: Run) -> float:
        self.box.hortus.pause()
        await run.flow(run.dice.uniform(0.5, 3))
        self.box.hortus.resume()
        return time.monotonic()

    async def hortus_restarted(self, run: Run) -> float:
        began = time.monotonic()
        await self.box.hortus.ask_to_end()
        await self.box.start()
        return began

    async def postgres_killed(self, run: Run) -> float:
        self.box.postgres.kill()
        return time.monotonic()

    async def postgres_worker_killed(self, run: Run) -> float:
        backends = await run.ingest_backends()
        self.box.postgres.kill_backend(run.dice.choice(backends))
        return time.monotonic()

    async def postgres_paused(self, run: Run) -> float:
        self.box.postgres.pause()
        await run.flow(run.dice.uniform(0.5, 3))
        self.box.postgres.resume()
        return time.monotonic()

    def connections_hang(self, seconds: float) -> Fault:
        async def hang(run: Run) -> float:
            self.box.postgres.pause_backends(await run.ingest_backends())
            await run.flow(seconds)
            self.box.postgres.resume()
            return time.monotonic()

        return hang

    async def connections_cut(self, run: Run) -> float:
        connection = await self.box.connect()
        try:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'hortus ingest'"
            )
        finally:
            await connection.close()
        return time.monotonic()


async def test_hortus_that_is_killed_paused_or_restarted_loses_nothing(
    one_box: OneBox, plan: Plan, tmp_path: Path
) -> None:
    faults = Faults(one_box)
    async with loaded(one_box, plan, tmp_path) as run:
        await run.inflict(
            {
                "hortus up killed": faults.hortus_killed,
                "hortus up paused": faults.hortus_paused,
                "hortus up restarted": faults.hortus_restarted,
            }
        )
        await run.finish("one box, Hortus")


async def test_faults_of_its_database_lose_nothing_and_count_every_message_once(
    one_box: OneBox, plan: Plan, tmp_path: Path
) -> None:
    faults = Faults(one_box)
    async with loaded(one_box, plan, tmp_path, NO_REPETITION) as run:
        await run.inflict(
            {
                "PostgreSQL killed": faults.postgres_killed,
                "a PostgreSQL worker killed": faults.postgres_worker_killed,
                "PostgreSQL paused": faults.postgres_paused,
                "database connections hang for 1 s": faults.connections_hang(1.0),
                "database connections hang for 9 s": faults.connections_hang(LONGER_THAN_PATIENCE_SECONDS),
                "database connections break": faults.connections_cut,
            }
        )
        await run.finish("one box, database", exactly_once_received=True)
