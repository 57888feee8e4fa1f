"""P10: whatever connection is lost or task ends, everything goes on working, and health shows it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
from whole_box import WholeBox, whole_box

from hortus.base.supervision import Supervisor
from waiting import until

_BACKENDS = """
SELECT pid, application_name FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND application_name LIKE 'hortus %'
ORDER BY application_name
"""

# Each holds a connection of its own, so that each is among those that are killed.
_CONNECTIONS = {
    "hortus alerts",
    "hortus announcements",
    "hortus commands",
    "hortus ingest",
    "hortus listening",
    "hortus live",
    "hortus rollups",
    "hortus rpc",
    "hortus thumbnails",
}


async def test_after_each_of_its_database_connections_was_killed_everything_works(tmp_path: Path) -> None:
    async with whole_box(tmp_path) as box:
        await box.publish_reading()  # so that the pipeline has connected
        backends = await until(lambda: _all_backends(box.database), f"connections of {_CONNECTIONS}")
        for backend in backends:
            await box.database.execute("SELECT pg_terminate_backend($1)", backend["pid"])
        await box.see_everything_work()
        assert (await box.health())["status"] == "healthy"


async def _all_backends(database: asyncpg.Connection) -> list[asyncpg.Record]:
    backends = await database.fetch(_BACKENDS)
    return list(backends) if {each["application_name"] for each in backends} >= _CONNECTIONS else []


async def test_after_each_of_its_tasks_was_cancelled_everything_works(tmp_path: Path) -> None:
    async with whole_box(tmp_path) as box:
        tasks = (await box.health())["parts"]["tasks"]
        names = [name for name in tasks if name != "state"]
        for name in names:
            await _cancel(name)
        await box.see_everything_work()
        assert await _restarts(box) == dict.fromkeys(names, 1)
        health = await box.health()
        assert health["status"] == "healthy", health
        metrics = (await box.http.get("/metrics")).text
        for name in names:
            assert f'hortus_task_restarts_total{{task="{name}"}} 1.0' in metrics


async def _cancel(name: str) -> None:
    """Cancel the work of this name, not the supervision of it."""

    def works() -> list[asyncio.Task[object]]:
        found = [task for task in asyncio.all_tasks() if task.get_name() == name]
        return [task for task in found if not _is_supervision(task)]

    for work in await until(works, f"{name} is at work"):
        work.cancel()


def _is_supervision(task: asyncio.Task[object]) -> bool:
    return getattr(task.get_coro(), "__qualname__", "").startswith(Supervisor.__name__)


async def _restarts(box: WholeBox) -> dict[str, int]:
    tasks = (await box.health())["parts"]["tasks"]
    return {name: task["restarts"] for name, task in tasks.items() if name != "state"}
