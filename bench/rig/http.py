"""HTTP measurements: the load in a separate process, and a server that only returns a constant."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path

from http_load import HttpOrder, HttpOutcome
from rig.processes import BenchError, free_port, running, until

_BENCH = Path(__file__).parents[1]
_MARGIN_SECONDS = 30.0


async def ask_over_http(folder: Path, order: HttpOrder) -> HttpOutcome:
    """Run the load and return its outcome. Raises BenchError if a response was not 200."""
    log = folder / "http_load.log"
    log.unlink(missing_ok=True)
    async with running([sys.executable, _BENCH / "http_load.py"], log=log, talks=True) as process:
        async with asyncio.timeout(order.warm_up_seconds + order.seconds + _MARGIN_SECONDS):
            answer, _ = await process.communicate(json.dumps(asdict(order)).encode() + b"\n")
    if not answer:
        raise BenchError(f"The load ended early: {log.read_text()[-500:].strip()}")
    return HttpOutcome(**json.loads(answer))


@contextlib.asynccontextmanager
async def bare_server(folder: Path) -> AsyncIterator[tuple[int, int]]:
    """Run our HTTP server with an application that returns a constant; yield its port and process id."""
    port, log = free_port(), folder / "bare_asgi.log"
    log.unlink(missing_ok=True)
    async with running([sys.executable, _BENCH / "bare_asgi.py", str(port)], log=log) as process:
        await until(lambda: "ready" in log.read_text(), "the bare server")
        yield port, process.pid
