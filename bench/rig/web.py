"""Runs `hortus web` as an operator would."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import httpx

from rig.installation import Installation
from rig.processes import BenchError, free_port, running
from rig.worker import HORTUS

_START_SECONDS = 60.0


def token_key_file(folder: Path) -> Path:
    """Return the file with the key that signs tokens, creating it if needed."""
    path = folder / "token-signer.key"
    if not path.exists():
        path.write_text(secrets.token_urlsafe(48))
    return path


@contextlib.asynccontextmanager
async def web(
    folder: Path, stand: Installation, settings: Mapping[str, str] | None = None
) -> AsyncIterator[tuple[int, int]]:
    """Run `hortus web` while the context is open; yield its port and process id when it is ready."""
    port, log = free_port(), folder / "web.log"
    environment = {
        "DATABASE_URL": stand.url.libpq(),
        "TOKEN_SIGNER_KEY": str(token_key_file(folder)),
        **(settings or {}),
    }
    command = [str(HORTUS), "web", "--port", str(port)]
    async with running(command, log=log, environment=environment) as process, httpx.AsyncClient() as http:
        async with asyncio.timeout(_START_SECONDS):
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if (await http.get(f"http://127.0.0.1:{port}/readyz")).is_success:
                        break
                if process.returncode is not None:
                    raise BenchError(f"`hortus web` ended early: {log.read_text()[-500:]}")
                await asyncio.sleep(0.05)
        yield port, process.pid
