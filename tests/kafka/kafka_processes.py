"""Mosquitto and the processes of Hortus, as they run on many boxes, to be killed and started again."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import programs
from programs import answers, free_port, system_program
from waiting import PATIENCE_SECONDS


class Process:
    """A program under test; its output of all starts is collected in one file."""

    def __init__(self, arguments: list[str], environment: dict[str, str], log: Path) -> None:
        self._arguments = arguments
        self._environment = programs.environment(**environment)
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._arguments, env=self._environment, stdout=log, stderr=log)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Terminate it gracefully and return its exit code; 0 if it is not running."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        if self._process is None:
            return 0
        self._process.send_signal(number)
        try:
            return self._process.wait(PATIENCE_SECONDS)
        finally:
            self._process.kill()
            self._process = None

    def log(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""


def hortus(*arguments: str, environment: dict[str, str], log: Path) -> Process:
    return Process([sys.executable, "-m", "hortus", *arguments], environment, log)


class OpenMosquitto:
    """A broker that allows anonymous access, and keeps acknowledged messages for the ingester."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.port = free_port()
        configuration = folder / "mosquitto.conf"
        configuration.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 1000000\nuser root\n"
        )
        self._process = Process([system_program("mosquitto"), "-c", str(configuration)], {}, folder / "log")
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not answers(self.port):
            assert time.monotonic() < deadline, self._process.log()
            time.sleep(0.01)

    def stop(self) -> None:
        self._process.stop()
