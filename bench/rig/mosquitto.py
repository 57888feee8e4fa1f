"""Runs Mosquitto with the shipped configuration; only ports, paths and accounts are local."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import socket
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hortus.app.ingest import INGEST_FILTERS
from hortus.domain.kits.broker_verifier import broker_verifier
from hortus.flow.broker.document import KitAccount, ServiceAccount, dynamic_security_document
from hortus.flow.broker.roles import SERVER_ROLE
from hortus.protocol.mqtt.client import ClientLimits
from rig.installation import Kit
from rig.processes import BenchError, free_port, running, until

SHIPPED = Path(__file__).parents[2] / "deploy" / "mosquitto" / "mosquitto.conf"
USERNAME = "hortus"
PASSWORD = "measuring"

_TLS_SETTINGS = {"certfile", "keyfile", "tls_version"}


@dataclass(frozen=True, slots=True)
class Mosquitto:
    """A running broker."""

    port: int
    process_id: int

    @property
    def environment(self) -> dict[str, str]:
        """The settings with which a Hortus process connects to this broker."""
        return {
            "MQTT_HOST": "127.0.0.1",
            "MQTT_PORT": str(self.port),
            "MQTT_USERNAME": USERNAME,
            "MQTT_PASSWORD": PASSWORD,
        }

    def subscriber(self, client_id: str, *options: str) -> list[str]:
        """Return a mosquitto_sub command with an ingester's subscription and limits."""
        filters = [argument for topic_filter in INGEST_FILTERS for argument in ("-t", topic_filter)]
        return [
            *(_program("mosquitto_sub"), "-h", "127.0.0.1", "-p", str(self.port)),
            *("-u", USERNAME, "-P", PASSWORD, "-V", "5", "-q", "1", "-i", client_id, "-c", "-x", "3600"),
            *("-D", "connect", "receive-maximum", str(ClientLimits().receive_maximum), *filters, *options),
        ]


@contextlib.asynccontextmanager
async def mosquitto(folder: Path, kits: Iterable[Kit]) -> AsyncIterator[Mosquitto]:
    """Run a broker with accounts for these kits and the ingesters, and without any earlier sessions."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    port = free_port()
    configuration = folder / "mosquitto.conf"
    configuration.write_text(_adapted(SHIPPED.read_text(), folder, port))
    accounts = [KitAccount(serial=kit.serial, verifier=broker_verifier(kit.password)) for kit in kits]
    server = ServiceAccount(username=USERNAME, password=PASSWORD, role=SERVER_ROLE)
    (folder / "dynamic-security.json").write_text(json.dumps(dynamic_security_document(accounts, [server])))
    async with running([_program("mosquitto"), "-c", configuration], log=folder / "mosquitto.log") as process:
        await until(lambda: _answers(port), "Mosquitto to start")
        yield Mosquitto(port, process.pid)


async def keep_session(command: Sequence[str]) -> None:
    """Create this subscriber's persistent session at the broker, so that messages queue from now on."""
    process = await asyncio.create_subprocess_exec(*command, "-E", stdout=asyncio.subprocess.DEVNULL)
    try:
        async with asyncio.timeout(30):
            exit_code = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
    if exit_code:
        raise BenchError("mosquitto_sub could not subscribe.")


def _adapted(shipped: str, folder: Path, port: int) -> str:
    lines = []
    for line in shipped.splitlines():
        name = line.partition(" ")[0]
        if line == "listener 1883":
            lines.append(f"listener {port} 127.0.0.1")
        elif name not in _TLS_SETTINGS and line != "listener 8883":
            lines.append(line.replace("/var/lib/mosquitto/", f"{folder}/"))
    # Started as root, Mosquitto would switch to an account that cannot write here.
    return "\n".join([*lines, "user root"]) + "\n"


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _program(name: str) -> str:
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if found is None:
        raise BenchError(f"{name} is not installed; on Debian: apt install mosquitto mosquitto-clients.")
    return found
