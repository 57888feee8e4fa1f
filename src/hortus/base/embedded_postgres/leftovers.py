"""Find and end PostgreSQL processes that an earlier run left behind on a data directory.

A process id in a file proves nothing: the process may have ended and its id been reused. The kernel's view
does: a PostgreSQL process works in its data directory, so /proc/PID/cwd is that directory. The caller holds the
installation's lock, so no process found here belongs to a running installation.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterable
from pathlib import Path

from hortus.base.embedded_postgres.account import CannotRunPostgres

# On an interrupt, PostgreSQL ends its sessions and writes a checkpoint, which takes a while on a memory card.
# After that, quitting costs only a recovery at the next start, and killing is for processes that hang.
_STEPS = ((signal.SIGINT, 60.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0))
_POLL_SECONDS = 0.02


def postgres_processes(data_directory: Path) -> tuple[int, ...]:
    """Return the ids of the running PostgreSQL processes that work in this directory."""
    try:
        wanted = data_directory.stat()
    except FileNotFoundError:
        return ()
    numbers = (entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return tuple(int(number) for number in numbers if _works_in(number, wanted))


def recorded_postmaster(data_directory: Path) -> tuple[int, bool] | None:
    """Return the process id in postmaster.pid and whether that postmaster reported to be ready, or None."""
    try:
        lines = (data_directory / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
        # Line 8 is the state; see "postmaster.pid" in PostgreSQL's miscadmin.h.
        return int(lines[0]), len(lines) > 7 and lines[7].startswith("ready")
    except (OSError, ValueError, IndexError):
        return None


async def end_leftovers(data_directory: Path, report: Callable[[str], None]) -> None:
    """Shut down the PostgreSQL processes in this directory, by force if necessary, and wait for their end.

    Raises CannotRunPostgres if that is not possible.
    """
    if postgres_processes(data_directory):
        report("PostgreSQL of an earlier run is still ending; waiting for it.")
    for number, patience_seconds in _STEPS:
        remaining = postgres_processes(data_directory)
        if not remaining:
            break
        recorded = recorded_postmaster(data_directory)
        # An interrupt means "shut down" only to the postmaster; to its children it means "cancel the query".
        gentle = number == signal.SIGINT
        _send(number, (pid for pid in remaining if not gentle or (recorded and pid == recorded[0])))
        # A stopped process handles no signal until it is continued.
        _send(signal.SIGCONT, remaining)
        await wait_until_gone(data_directory, patience_seconds)
    if remaining := postgres_processes(data_directory):
        raise CannotRunPostgres(
            f"PostgreSQL of an earlier run (process {remaining[0]}) still uses {data_directory} and does not "
            "end. Restart the machine, then start Hortus again."
        )
    # PostgreSQL would refuse to start if the process id in it now belongs to another process of this user.
    (data_directory / "postmaster.pid").unlink(missing_ok=True)


async def wait_until_gone(data_directory: Path, patience_seconds: float) -> bool:
    """Wait until no PostgreSQL works in this directory; return whether that happened in time."""
    deadline = asyncio.get_running_loop().time() + patience_seconds
    while postgres_processes(data_directory):
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(_POLL_SECONDS)
    return True


def _works_in(number: str, wanted: os.stat_result) -> bool:
    process = Path("/proc", number)
    try:
        if (process / "comm").read_text(encoding="utf-8", errors="replace").strip() != "postgres":
            return False
        status = (process / "cwd").stat()
    except OSError:
        # It has ended meanwhile, or it belongs to another user and cannot be ours.
        return False
    return (status.st_dev, status.st_ino) == (wanted.st_dev, wanted.st_ino)


def _send(number: signal.Signals, processes: Iterable[int]) -> None:
    for process in processes:
        try:
            os.kill(process, number)
        except ProcessLookupError:
            continue
        except PermissionError as error:
            raise CannotRunPostgres(
                f"PostgreSQL (process {process}) still uses this data directory and belongs to another user. "
                "Run Hortus as the same user as before."
            ) from error
