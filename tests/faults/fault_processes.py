"""Processes that are killed, paused and restarted from outside, as an operator or a power cut would."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil

import programs
from waiting import PATIENCE_SECONDS, until


class Process:
    """A program under test. Its output of all starts is collected in one file."""

    def __init__(self, arguments: list[str], environment: dict[str, str], log: Path) -> None:
        self._arguments = arguments
        self._environment = programs.environment(PYTHONUNBUFFERED="1", **environment)
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; return at once."""
        assert self._process is None
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._arguments, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def output(self) -> str:
        """Return what it has said so far, over all starts."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def check_running(self) -> None:
        """Fail, with the end of its output, if it has ended by itself."""
        if self._process is not None and self._process.poll() is not None:
            raise AssertionError(f"ended by itself ({self._process.returncode}): {self.output()[-2000:]}")

    def pause(self) -> None:
        """Stop it where it is."""
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._send(signal.SIGCONT)

    def kill(self) -> None:
        """End it without a chance to do anything."""
        self._send(signal.SIGKILL)
        assert self._process is not None
        self._process.wait(PATIENCE_SECONDS)
        self._process = None

    async def ask_to_end(self) -> float:
        """Send SIGTERM and wait; fail unless it ends with 0. Return how many seconds it took."""
        assert self._process is not None
        process = self._process
        began = time.monotonic()
        self._send(signal.SIGTERM)
        await until(lambda: process.poll() is not None, f"the end of {self._arguments[1:4]}")
        self._process = None
        assert process.returncode == 0, f"ended with {process.returncode}: {self.output()[-2000:]}"
        return time.monotonic() - began

    def clean_up(self) -> None:
        """End it whatever state it is in, without complaint."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._send(signal.SIGCONT)
            self._process.kill()
            self._process.wait(PATIENCE_SECONDS)
            self._process = None

    def _send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)


class PostgresProcesses:
    """The main process of a PostgreSQL and those that work for it."""

    def __init__(self, postmaster: Callable[[], int]) -> None:
        """`postmaster` returns the id of the main process that runs now."""
        self._postmaster = postmaster
        self._paused: list[psutil.Process] = []

    def kill(self) -> None:
        """Kill the main process; the others notice and end, some of them only after their commit."""
        os.kill(self._postmaster(), signal.SIGKILL)

    def kill_backend(self, process_id: int) -> None:
        """Kill one worker: PostgreSQL then ends all sessions and recovers by itself."""
        os.kill(process_id, signal.SIGKILL)

    def pause(self) -> None:
        """Stop all of them."""
        postmaster = psutil.Process(self._postmaster())
        self._pause([postmaster, *postmaster.children(recursive=True)])

    def pause_backends(self, process_ids: list[int]) -> None:
        """Stop some workers: to their clients, the connection hangs."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self._pause([psutil.Process(process_id) for process_id in process_ids])

    def resume(self) -> None:
        """Let those that were stopped go on."""
        for process in self._paused:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()
        self._paused = []

    def _pause(self, processes: list[psutil.Process]) -> None:
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()
                self._paused.append(process)
