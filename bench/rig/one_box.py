"""Runs `hortus up` as a user would, and the built-in endpoint without a database."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from endpoint_floor import serve
from rig.processes import BenchError, free_port, running, until
from rig.worker import HORTUS


@dataclass(frozen=True, slots=True, kw_only=True)
class OneBox:
    """A running one-box installation. `ready_seconds`: from its start until it reported to be ready."""

    http_port: int
    mqtt_port: int
    process_id: int
    postgres_process_id: int
    ready_seconds: float


@contextlib.asynccontextmanager
async def one_box(folder: Path, data_dir: Path) -> AsyncIterator[OneBox]:
    """Run `hortus up` on an existing data directory, on free ports."""
    log = folder / "up.log"
    log.unlink(missing_ok=True)
    http_port, mqtt_port = free_port(), free_port()
    ports = ["--http-port", str(http_port), "--mqtt-port", str(mqtt_port)]
    began = time.perf_counter()
    async with running(
        [HORTUS, "up", "--data-dir", data_dir, "--gateway-port", "0", *ports], log=log
    ) as process:
        await until(
            lambda: process.returncode is not None or "is ready" in log.read_text(),
            "`hortus up` to be ready",
            timeout_seconds=60,
        )
        if process.returncode is not None:
            raise BenchError(f"`hortus up` ended early: {log.read_text()[-500:]}")
        ready_seconds = time.perf_counter() - began
        postmaster_file = data_dir / "postgres" / "data" / "postmaster.pid"
        yield OneBox(
            http_port=http_port,
            mqtt_port=mqtt_port,
            process_id=process.pid,
            postgres_process_id=int(postmaster_file.read_text().split()[0]),
            ready_seconds=ready_seconds,
        )


@contextlib.asynccontextmanager
async def endpoint_without_storing() -> AsyncIterator[tuple[int, int]]:
    """Run the built-in endpoint with an intake that settles immediately; yield its port and process id."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, "uvloop", 0.0))
    process.start()
    try:
        port = await asyncio.to_thread(ours.recv)
        assert process.pid is not None
        yield port, process.pid
    finally:
        with contextlib.suppress(OSError):
            ours.send(None)
        await asyncio.to_thread(process.join, 10)
        if process.is_alive():
            process.kill()
