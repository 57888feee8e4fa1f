"""Runs `hortus ingest` as an operator would."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from rig.installation import Installation
from rig.mosquitto import Mosquitto
from rig.worker import connected_worker


@contextlib.asynccontextmanager
async def ingester(folder: Path, stand: Installation, broker: Mosquitto) -> AsyncIterator[int]:
    """Run an ingester and yield its process id once it has subscribed."""
    environment = {
        "DATABASE_URL": stand.url.sqlalchemy(),
        "HORTUS_MQTT_CLIENT_ID": "measured-ingester",
        **broker.environment,
    }
    async with connected_worker(folder, ["ingest", "--to", "database"], environment) as process:
        yield process.pid
