"""`hortus ingest` as an operator runs it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from rig.installation import Installation
from rig.mosquitto import Mosquitto
from rig.processes import running, until

HORTUS = Path(sys.executable).parent / "hortus"


@contextlib.asynccontextmanager
async def ingester(folder: Path, stand: Installation, broker: Mosquitto) -> AsyncIterator[int]:
    """Run an ingester and yield its process id as soon as it is subscribed."""
    log = folder / "ingest.log"
    log.unlink(missing_ok=True)
    environment = {
        "DATABASE_URL": stand.url.sqlalchemy(),
        "HORTUS_MQTT_CLIENT_ID": "measured-ingester",
        **broker.environment,
    }
    command = [str(HORTUS), "ingest", "--to", "database"]
    async with running(command, log=log, environment=environment) as process:
        await until(
            lambda: process.returncode is not None or "connected to the broker" in log.read_text(),
            "the ingester to connect",
        )
        assert process.returncode is None, log.read_text()
        yield process.pid
