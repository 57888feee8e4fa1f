"""Runs Hortus's worker programs against a broker, as an operator would."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

from rig.processes import BenchError, running, until

HORTUS = Path(sys.executable).parent / "hortus"


@contextlib.asynccontextmanager
async def connected_worker(
    folder: Path, arguments: Sequence[str], environment: Mapping[str, str]
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `hortus` with these arguments, and yield the process once it is connected to the broker."""
    log = folder / f"{arguments[0]}.log"
    log.unlink(missing_ok=True)
    async with running([HORTUS, *arguments], log=log, environment=environment) as process:
        await until(
            lambda: process.returncode is not None or "connected to the broker" in log.read_text(),
            f"`hortus {arguments[0]}` to connect",
        )
        if process.returncode is not None:
            raise BenchError(f"`hortus {arguments[0]}` ended early: {log.read_text()[-500:]}")
        yield process
