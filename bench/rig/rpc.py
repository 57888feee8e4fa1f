"""Runs `hortus rpc` as an operator would, and virtual kits in a separate process."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from rig.installation import Installation, Kit
from rig.mosquitto import Mosquitto
from rig.processes import running
from rig.worker import HORTUS, connected_worker


@contextlib.asynccontextmanager
async def rpc_worker(folder: Path, stand: Installation, broker: Mosquitto) -> AsyncIterator[int]:
    """Run a worker and yield its process id once it can send."""
    environment = {
        "DATABASE_URL": stand.url.sqlalchemy(),
        "HORTUS_MQTT_CLIENT_ID": "measured-worker",
        **broker.environment,
    }
    async with connected_worker(folder, ["rpc"], environment) as process:
        yield process.pid


@contextlib.asynccontextmanager
async def virtual_kits(folder: Path, broker: Mosquitto, kits: Sequence[Kit]) -> AsyncIterator[None]:
    """Run these kits with `hortus simulate` while the context is open; yield when they are connected."""
    credentials, log = folder / "kits.json", folder / "simulate.log"
    credentials.write_text(json.dumps([{"serial": kit.serial, "password": kit.password} for kit in kits]))
    command = [
        *(HORTUS, "simulate", "--kits", str(len(kits)), "--credentials", str(credentials)),
        *("--host", "127.0.0.1", "--port", str(broker.port)),
    ]
    async with running(command, log=log, environment={"DATABASE_URL": "postgresql://unused"}):
        yield
