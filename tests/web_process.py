"""`hortus web` as its operator starts it: real processes on free ports."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from programs import environment, free_port
from waiting import PATIENCE_SECONDS

_OURS = re.compile(r"HORTUS_|MQTT_|KAFKA_|DATABASE_URL|LOG_LEVEL|TOKEN_SIGNER_KEY")


@dataclass(frozen=True, slots=True, kw_only=True)
class WebProcess:
    """A running `hortus web`."""

    port: int
    process: asyncio.subprocess.Process
    log: Path

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        if self.process.returncode is None:
            self.process.send_signal(number)
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.process.wait()


@asynccontextmanager
async def web_process(log: Path, *arguments: str, **settings: str) -> AsyncIterator[WebProcess]:
    """Run one until the context ends; yields once it answers, whatever the database does."""
    port = free_port()
    with log.open("ab") as file:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "hortus", "web", "--port", str(port), *arguments),
            stdout=file,
            stderr=file,
            env=environment(**settings),
            start_new_session=True,
        )
    web = WebProcess(port=port, process=process, log=log)
    try:
        await _answering(web)
        yield web
    finally:
        await web.stop()


async def _answering(web: WebProcess) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS), httpx.AsyncClient() as client:
        while True:
            assert web.process.returncode is None, web.log.read_text("utf-8")
            try:
                response = await client.get(f"{web.base_url}/healthz")
            except httpx.TransportError:
                await asyncio.sleep(0.02)
            else:
                assert response.status_code == 200, response.text
                return
