"""A real Mosquitto on free loopback ports, run from the configuration that is shipped."""

from __future__ import annotations

import asyncio
import atexit
import functools
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from hortus.domain.kits.broker_verifier import broker_verifier
from hortus.flow.broker.document import KitAccount, ServiceAccount, dynamic_security_document
from hortus.flow.broker.roles import CONTROL_ROLE, SERVER_ROLE
from hortus.protocol.mqtt.client import BrokerAddress
from programs import answers, free_port, system_program
from waiting import PATIENCE_SECONDS

SHIPPED = Path(__file__).parents[1] / "deploy/mosquitto/mosquitto.conf"
SERVICES = (
    ServiceAccount(username="hortus", password="server-secret", role=SERVER_ROLE),
    ServiceAccount(username="hortus-control", password="control-secret", role=CONTROL_ROLE),
)


@functools.cache
def built_gate(*options: str) -> Path:
    """Return the plugin of `deploy/mosquitto`, compiled as docs/mosquitto.md says and with these options."""
    built = Path(tempfile.mkdtemp(prefix="hortus-gate-")) / "hortus_gate.so"
    atexit.register(shutil.rmtree, built.parent)
    sources = [SHIPPED.with_name(name) for name in ("hortus_gate.c", "hortus_journal.c")]
    subprocess.run(
        [
            system_program("cc"),
            "-Wall",
            "-Wextra",
            "-Werror",
            "-O2",
            "-shared",
            "-fPIC",
            *options,
            "-o",
            built,
            *sources,
        ],
        check=True,
    )
    return built


class Mosquitto:
    """`settings` replaces lines of the shipped file by their first word; others are added at its end.

    `waits_for`: what the gate waits for; without it there is no gate, for tests in which nobody opens one.
    """

    def __init__(
        self,
        folder: Path,
        settings: dict[str, str] | None = None,
        tls: bool = False,
        waits_for: str | None = None,
        gate_options: tuple[str, ...] = (),
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.tls_port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._tls = tls
        self._waits_for = waits_for
        self._gate_options = gate_options
        self.security_file = folder / "dynamic-security.json"
        self.configuration = folder / "mosquitto.conf"
        self.configuration.write_text(self._adapted(settings or {}))
        self.seed(())

    def _adapted(self, settings: dict[str, str]) -> str:
        """Return the shipped configuration with ports and paths of this machine, and nothing else changed."""
        replaced = {
            "listener 1883": f"listener {self.port} 127.0.0.1",
            "listener 8883": f"listener {self.tls_port} 127.0.0.1",
            "/var/lib/mosquitto/": f"{self.folder}/",
            "/etc/mosquitto/certs/": f"{self.folder}/",
        }
        text = SHIPPED.read_text()
        for old, new in replaced.items():
            assert old in text
            text = text.replace(old, new)
        lines = self._with_gate(text).splitlines()
        if not self._tls:
            tls = {"certfile", "keyfile", "tls_version"}
            lines = [line for line in lines if line.partition(" ")[0] not in tls]
            lines.remove(f"listener {self.tls_port} 127.0.0.1")
        lines = [line for line in lines if line.partition(" ")[0] not in settings]
        # As root, Mosquitto would change to an account that cannot read the test's folder.
        return "\n".join([*lines, "user root", *(f"{key} {value}" for key, value in settings.items())]) + "\n"

    def _with_gate(self, text: str) -> str:
        gate = re.compile(
            r"^plugin /usr/local/lib/hortus_gate.so$|^plugin_opt_(services|waits_for|running_file|journal) .*$",
            re.MULTILINE,
        )
        assert len(gate.findall(text)) == 5
        if self._waits_for is None:
            return gate.sub("", text)
        for old, new in {
            "/usr/local/lib/hortus_gate.so": str(built_gate(*self._gate_options)),
            "plugin_opt_services hortus admin": f"plugin_opt_services {' '.join(s.username for s in SERVICES)}",
            "plugin_opt_waits_for readings media questions": f"plugin_opt_waits_for {self._waits_for}",
        }.items():
            assert old in text
            text = text.replace(old, new)
        return text

    def seed(self, kits: Iterable[tuple[str, str]]) -> None:
        """Give the broker these kits (serial, password) and the services."""
        accounts = [KitAccount(serial=serial, verifier=broker_verifier(password)) for serial, password in kits]
        self.security_file.write_text(json.dumps(dynamic_security_document(accounts, SERVICES)))

    def start(self) -> Mosquitto:
        program = os.environ.get("HORTUS_TEST_MOSQUITTO") or system_program("mosquitto")
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [program, "-c", str(self.configuration)],
                stdout=log,
                stderr=log,
                restore_signals=False,  # a file that may not grow is an error then, and not the end
            )
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not answers(self.port):
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.01)
        return self

    def __enter__(self) -> Mosquitto:
        return self

    @property
    def process_id(self) -> int:
        assert self._process
        return self._process.pid

    def __exit__(self, *_: object) -> None:
        self.stop()

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def send_signal(self, number: signal.Signals) -> None:
        assert self._process
        self._process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it: properly, or with SIGKILL."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(PATIENCE_SECONDS)
            self._process = None

    def address(self, username: str = "hortus", password: str = "server-secret") -> BrokerAddress:
        return BrokerAddress(host="127.0.0.1", port=self.port, username=username, password=password)

    @property
    def control_address(self) -> BrokerAddress:
        return self.address("hortus-control", "control-secret")

    async def publish(
        self, serial: str, password: str, topic: str, payloads: Iterable[bytes], *options: str, qos: int = 1
    ) -> int:
        """Publish with mosquitto_pub, one message for each payload; return its exit code."""
        arguments = ["-h", "127.0.0.1", "-p", str(self.port), "-u", serial, "-P", password, "-q", str(qos)]
        process = await asyncio.create_subprocess_exec(
            "mosquitto_pub", *arguments, "-t", topic, "-l", *options,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        await asyncio.wait_for(process.communicate(b"".join(p + b"\n" for p in payloads)), PATIENCE_SECONDS)
        assert process.returncode is not None
        return process.returncode
