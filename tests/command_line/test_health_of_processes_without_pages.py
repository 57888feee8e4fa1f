"""`--metrics-port`: a process without web pages tells how its tasks are (P10)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from programs import environment, free_port
from waiting import PATIENCE_SECONDS, until

_TASKS = {
    "jobs": {"housekeeping", "rollups", "presence"},
    "rpc": {
        "broker",
        "kit-presence",
        "kit-questions",
        "kit-commands",
        "kit-answers",
        "kit-command-announcements",
    },
    "ingest": {"storing", "broker", "broker-media", "kit-changes", "listening-record"},
}


@contextmanager
def _process(log: Path, command: str, port: int, **settings: str) -> Iterator[None]:
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "hortus", command, "--metrics-port", str(port)],
            stdout=file,
            stderr=file,
            env=environment(**settings),
            start_new_session=True,
        )
    try:
        yield
        process.terminate()
        assert process.wait(PATIENCE_SECONDS) == 0, log.read_text("utf-8")
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("command", list(_TASKS))
async def test_each_task_is_named_in_health_and_metrics(
    command: str, migrated_database_url: str, tmp_path: Path
) -> None:
    port = free_port()
    settings = {"DATABASE_URL": migrated_database_url, "MQTT_HOST": "127.0.0.1", "MQTT_PORT": str(free_port())}
    with _process(tmp_path / "log", command, port, **settings):
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_SECONDS) as client:

            async def all_tasks() -> dict[str, Any]:
                try:
                    parts = (await client.get("/healthz")).json()["parts"]
                except httpx.TransportError:
                    return {}
                tasks = {name: task for name, task in parts["tasks"].items() if name != "state"}
                return tasks if _TASKS[command] <= tasks.keys() else {}

            found = await until(all_tasks, f"the tasks {_TASKS[command]}")
            assert all(task["lastSuccessAgeSeconds"] >= 0 for task in found.values())
            metrics = (await client.get("/metrics")).text
            assert all(f'hortus_task_is_healthy{{task="{name}"}}' in metrics for name in found)


async def test_a_process_whose_broker_is_away_says_so_and_is_unhealthy(
    migrated_database_url: str, tmp_path: Path
) -> None:
    port = free_port()
    settings = {"DATABASE_URL": migrated_database_url, "MQTT_HOST": "127.0.0.1", "MQTT_PORT": str(free_port())}
    with _process(tmp_path / "log", "rpc", port, **settings):
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_SECONDS) as client:

            async def unhealthy() -> dict[str, Any] | None:
                try:
                    answer = await client.get("/healthz")
                except httpx.TransportError:
                    return None
                return dict(answer.json()) if answer.status_code == 503 else None

            health = await until(unhealthy)
    broker = health["parts"]["tasks"]["broker"]
    assert broker["state"].startswith("Failing for")
    assert "There is no connection to the broker" in broker["state"]
