"""The load: fifty kits in a separate process (load_generator.py)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from pathlib import Path

from load_generator import Order, Outcome
from rig.installation import Kit
from rig.processes import BenchError, running

_PROGRAM = Path(__file__).parents[1] / "load_generator.py"
_PREPARE_SECONDS = 120.0
# Per kit: far more than a kit ever sends at once, so that the receiver is never idle.
_WINDOW = 100
_CHUNK = 10


class Load:
    """A load generator with encoded readings and connected kits, waiting for the start signal."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._log = log

    async def prepared(self) -> None:
        """Return when all readings are encoded and all kits are connected."""
        await self._line(_PREPARE_SECONDS)

    async def send(self, timeout_seconds: float = 300.0) -> Outcome:
        """Send everything, and return when the last reading has been acknowledged."""
        await self.begin()
        return await self.finished(timeout_seconds)

    async def begin(self) -> None:
        """Start sending."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"go\n")
        await self._process.stdin.drain()

    async def finished(self, timeout_seconds: float = 300.0) -> Outcome:
        """Return when the last reading has been acknowledged."""
        return Outcome(**json.loads(await self._line(timeout_seconds)))

    async def _line(self, timeout_seconds: float) -> bytes:
        assert self._process.stdout is not None
        async with asyncio.timeout(timeout_seconds):
            line = await self._process.stdout.readline()
        if not line:
            raise BenchError(f"The load generator ended early: {self._log.read_text()[-500:].strip()}")
        return line


@contextlib.asynccontextmanager
async def load(
    folder: Path,
    port: int,
    kits: Sequence[Kit],
    readings: int,
    *,
    rate: float = 0,
    sent_log: Path | None = None,
) -> AsyncIterator[Load]:
    """Prepare a load for the broker or endpoint at this port. `rate` 0: as fast as acknowledged."""
    order = Order(
        port=port,
        kits=[asdict(kit) for kit in kits],
        readings=readings,
        rate=rate,
        window=_WINDOW,
        chunk=_CHUNK,
        sent_log=str(sent_log) if sent_log else None,
    )
    log = folder / "load.log"
    log.unlink(missing_ok=True)
    async with running([sys.executable, _PROGRAM], log=log, talks=True) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps(asdict(order)).encode() + b"\n")
        ready = Load(process, log)
        await ready.prepared()
        yield ready
