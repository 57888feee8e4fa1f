"""Background jobs: a failing one affects no others, and `hortus jobs` runs them all until it is stopped."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text

from hortus.app.jobs import Job, JobParts, start_jobs
from hortus.app.supervision import process_supervisor
from hortus.base.database.engine import open_engine
from hortus.base.database.partitions import PARTITIONED_TABLES, months_ahead
from hortus.base.database.url import DatabaseUrl
from hortus.base.settings import Settings
from hortus.base.supervision import RestartPauses
from programs import environment
from up_process import hortus
from waiting import PATIENCE_SECONDS

AT_ONCE = RestartPauses(first_seconds=0.001, longest_seconds=0.002)


async def test_a_job_that_fails_is_started_again_and_harms_no_other(
    migrated_database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    url = DatabaseUrl.parse(migrated_database_url)
    attempts = 0
    third_attempt, other_worked = asyncio.Event(), asyncio.Event()

    async def fails(parts: JobParts) -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise ValueError("a fault in the program")
        if attempts == 2:
            async with parts.engine.connect() as connection:
                await connection.execute(text("SELECT * FROM no_such_table"))
        third_attempt.set()
        await asyncio.Event().wait()

    async def works(parts: JobParts) -> None:
        await third_attempt.wait()
        connection = await parts.connector("test")()
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()
        other_worked.set()
        await asyncio.Event().wait()

    async with open_engine(url) as engine:
        parts = JobParts(settings=Settings(), url=url, engine=engine)
        jobs = [
            Job(name="failing", every_seconds=60, work=fails),
            Job(name="working", every_seconds=60, work=works),
        ]
        with caplog.at_level(logging.WARNING):
            async with process_supervisor(AT_ONCE) as supervisor, asyncio.timeout(PATIENCE_SECONDS):
                start_jobs(parts, supervisor, jobs)
                await other_worked.wait()
    said = [record.getMessage() for record in caplog.records if record.name == "hortus.base.supervision"]
    assert said[0].startswith("failing: stopped (a fault in the program)")
    assert said[1].startswith("failing: stopped (")
    assert 'relation "no_such_table" does not exist' in said[1]
    assert len(said) == 2
    assert [record.exc_info is not None for record in caplog.records][:2] == [True, False]  # ours, not ours


async def test_the_process_makes_partitions_ahead_and_ends_when_told(
    migrated_database_url: str, tmp_path: Path
) -> None:
    log = tmp_path / "jobs.log"
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "hortus", "jobs"),
            stdout=file,
            stderr=file,
            env=environment(DATABASE_URL=migrated_database_url),
            start_new_session=True,
        )
    wanted = {
        month.partition_of(table) for month in months_ahead(datetime.now(UTC)) for table in PARTITIONED_TABLES
    }
    connection = await asyncpg.connect(migrated_database_url)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not wanted <= await _partitions(connection):
                assert process.returncode is None, log.read_text("utf-8")
                await asyncio.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await process.wait() == 0, log.read_text("utf-8")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await connection.close()


def test_without_a_database_the_command_says_what_to_set() -> None:
    done = hortus("jobs")
    assert done.returncode == 2
    assert "Set DATABASE_URL" in done.stderr
    assert "--data-dir" in done.stderr


async def _partitions(connection: asyncpg.Connection) -> set[str]:
    rows = await connection.fetch("SELECT inhrelid::regclass::text AS name FROM pg_inherits")
    return {row["name"] for row in rows}
