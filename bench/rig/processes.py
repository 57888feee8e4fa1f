"""Programs under measurement: started, metered through /proc, and always stopped."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_STOP_SECONDS = 30.0
_POLL_SECONDS = 0.02
MEBIBYTE = 1024 * 1024


class BenchError(Exception):
    """A measurement failed; the message says why."""


def free_port() -> int:
    """Return an unused port of the loopback interface."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def until(condition: Callable[[], object], what: str, *, timeout_seconds: float = 30.0) -> None:
    """Wait for a condition. Raises BenchError if it does not become true in time."""
    try:
        async with asyncio.timeout(timeout_seconds):
            while not condition():  # noqa: ASYNC110 - about other processes, which cannot set an event
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError as error:
        raise BenchError(f"Waited {timeout_seconds:.0f} s in vain for {what}.") from error


def is_running(process_id: int) -> bool:
    """Return whether a child process is still running."""
    try:
        return _stat(process_id)[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def cpu_seconds(process_id: int) -> float:
    """Return the CPU seconds (user and system) of a process and its terminated children."""
    fields = _stat(process_id)
    return sum(map(int, fields[11:15])) / _TICKS_PER_SECOND


def tree_cpu_seconds(process_id: int) -> float:
    """Return the CPU seconds of a process and its descendants, including terminated ones."""
    total = 0.0
    for each in [process_id, *_descendants(process_id)]:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended in the meantime
            total += cpu_seconds(each)
    return total


def resident_bytes(process_id: int) -> int:
    """Return the process's resident memory in bytes."""
    return _status_bytes(process_id, "VmRSS")


def peak_resident_bytes(process_id: int) -> int:
    """Return the process's peak resident memory in bytes."""
    return _status_bytes(process_id, "VmHWM")


def _stat(process_id: int) -> list[str]:
    # The name, in parentheses, may contain spaces; the fields after it are numbered from 3 in proc(5).
    return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()


def _descendants(process_id: int) -> list[int]:
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                parents[int(entry.name)] = int(_stat(int(entry.name))[1])
    found: list[int] = []
    generation = {process_id}
    while generation:
        generation = {child for child, parent in parents.items() if parent in generation}
        found += generation
    return found


def _status_bytes(process_id: int, name: str) -> int:
    for line in Path(f"/proc/{process_id}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise BenchError(f"The process {process_id} has ended.")


@contextlib.asynccontextmanager
async def running(
    arguments: Sequence[str | Path],
    *,
    log: Path,
    environment: Mapping[str, str] | None = None,
    talks: bool = False,
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a program while the context is open; then send SIGTERM, and SIGKILL if that has no effect.

    With `talks` its standard input and output are pipes; otherwise its output goes to the log as well.
    """
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            *map(str, arguments),
            stdin=asyncio.subprocess.PIPE if talks else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE if talks else errors,
            stderr=errors,
            env=_environment(log.parent, environment or {}),
            start_new_session=True,
        )
    try:
        yield process
    finally:
        await stop(process)


def _environment(folder: Path, changes: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a program, with bytecode caching enabled as in a real installation.

    Otherwise, in a shell that disables the cache, each start would compile all libraries.
    """
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": str(folder / "compiled"), **changes}


async def stop(process: asyncio.subprocess.Process) -> int:
    """Terminate a program gracefully, or kill it if it does not end; return its exit code."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.returncode is not None:
            break
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                await process.wait()
    assert process.returncode is not None
    return process.returncode
