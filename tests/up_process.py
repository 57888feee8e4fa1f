"""`hortus up` and its sister commands as their user starts them: real processes on free ports."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from programs import environment, free_port
from waiting import PATIENCE_SECONDS


def _environment(**settings: str) -> dict[str, str]:
    """Without a port for boards, unless the test wants one: the usual one may be in use."""
    return environment(**{"HORTUS_GATEWAY_PORT": "0", **settings})


def hortus(*arguments: object, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end and return what it said."""
    return subprocess.run(
        [sys.executable, "-m", "hortus", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        env=_environment(**settings),
        check=False,
    )


def hortus_json(*arguments: object, **settings: str) -> Any:
    done = hortus(*arguments, "--json", **settings)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class Up:
    """A running `hortus up`."""

    def __init__(
        self,
        data_dir: Path,
        *arguments: str,
        http_port: int = 0,
        mqtt_port: int = 0,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.data_dir = data_dir
        self.http_port = http_port or free_port()
        self.mqtt_port = mqtt_port or free_port()
        self.log = data_dir.parent / f"{data_dir.name}.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "hortus", "up", "--data-dir", str(data_dir)),
                    *("--http-port", str(self.http_port), "--mqtt-port", str(self.mqtt_port)),
                    *("--gateway-port", "0", *arguments),
                ],
                stdout=log,
                stderr=log,
                env=_environment(**(settings or {})),
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self.log.read_text("utf-8")

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._is_ready():
            assert self.process.poll() is None, self.said
            assert time.monotonic() < deadline, self.said
            time.sleep(0.02)

    def _is_ready(self) -> bool:
        try:
            note = json.loads((self.data_dir / "run.json").read_text("utf-8"))
        except FileNotFoundError:
            return False
        return bool(note["process_id"] == self.process.pid)  # not of one that was killed before

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_SECONDS)


@contextmanager
def running(data_dir: Path, *arguments: str, **options: Any) -> Iterator[Up]:
    up = Up(data_dir, *arguments, **options)
    try:
        up.wait_until_ready()
        yield up
    finally:
        if up.process.poll() is None:
            up.stop()


def line_by_line(*arguments: str) -> list[str]:
    """The command that prints each line when it has it, also into a pipe."""
    return ["stdbuf", "-oL", *arguments]


def publish(up: Up, kit: dict[str, Any], channel: str, payload: bytes, qos: int) -> int:
    """Publish as a kit, with a foreign client; return its exit code (0 once it was acknowledged)."""
    done = subprocess.run(
        [
            *("mosquitto_pub", "-h", "127.0.0.1", "-p", str(up.mqtt_port), "-V", "mqttv311"),
            *("-u", kit["serial"], "-P", kit["password"], "-q", str(qos)),
            *("-t", f"kit/{kit['serial']}/{channel}", "-s"),
        ],
        input=payload,
        capture_output=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    return done.returncode
