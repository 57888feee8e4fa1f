"""The settings of the embedded PostgreSQL: durable, suited to a small box. Pure except for measuring it."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

MIB = 1024 * 1024
MAX_CONNECTIONS = 60

# Every connection needs a password; being on this machine grants nothing. Replication is not listed and thereby
# refused.
HOST_BASED_AUTHENTICATION = """\
# Written by Hortus at each start; changes here are lost.
local  all  all                scram-sha-256
host   all  all  127.0.0.1/32  scram-sha-256
"""

# On the command line, where neither ALTER SYSTEM nor a file can override them: reachable from this machine
# only, and an acknowledged commit is on the disk (P1).
FIXED_SETTINGS = (
    "listen_addresses=127.0.0.1",
    "fsync=on",
    "full_page_writes=on",
    "synchronous_commit=on",
    "password_encryption=scram-sha-256",
    # Relative to PostgreSQL's working directory, which is its data directory (mode 0700): only its owner can
    # reach the socket, and the length of the directory's path does not matter to the server.
    "unix_socket_directories=.",
    "logging_collector=off",
)

_HEADER = """\
# Written by Hortus at each start; changes here are lost. To keep a setting of your own, use
# ALTER SYSTEM SET name = value; as user postgres (password in secrets/) and start Hortus again.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxSize:
    """The memory and disk space of the machine or container."""

    memory_bytes: int
    disk_bytes: int


def measure_box(directory: Path) -> BoxSize:
    """Return the memory that this process may use and the size of the file system of `directory`."""
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
    except OSError:
        limit = "max"
    if limit.isdigit():
        memory_bytes = min(memory_bytes, int(limit))
    return BoxSize(memory_bytes=memory_bytes, disk_bytes=shutil.disk_usage(directory).total)


def configuration(box: BoxSize) -> str:
    """Return the text of postgresql.conf for a box of this size."""
    settings = {**_memory_settings(box), **_log_ahead_settings(box), **_manner_settings()}
    return _HEADER + "".join(f"{name} = {value}\n" for name, value in settings.items())


def _memory_settings(box: BoxSize) -> dict[str, str]:
    # An eighth for PostgreSQL's own cache leaves room for Hortus and for the operating system's cache, which
    # PostgreSQL uses as well; more than 1 GB does not help the tables of a farm.
    shared_bytes = _between(box.memory_bytes // 8, 32 * MIB, 1024 * MIB)
    return {
        "shared_buffers": _mib(shared_bytes),
        # For the planner only: it may assume that about half of the memory caches table pages.
        "effective_cache_size": _mib(max(box.memory_bytes // 2, shared_bytes)),
        # Per sort or hash, of which a connection can run several, so it stays small.
        "work_mem": _mib(_between(box.memory_bytes // 256, 4 * MIB, 32 * MIB)),
        "maintenance_work_mem": _mib(_between(box.memory_bytes // 32, 16 * MIB, 256 * MIB)),
        "max_connections": str(MAX_CONNECTIONS),
        # Parallel queries take memory and processors from ingest, and shared memory from /dev/shm, which has
        # 64 MB in a container.
        "max_parallel_workers_per_gather": "0",
        "max_parallel_maintenance_workers": "0",
        # Queries here are short; compiling them costs more than it gains.
        "jit": "off",
    }


def _log_ahead_settings(box: BoxSize) -> dict[str, str]:
    # Rare checkpoints write each full page to the log once instead of often. The price is disk space, and
    # recovery time after a crash: 2 GB are replayed in well under a minute from a disk, so that is the maximum.
    log_ahead_bytes = _between(box.disk_bytes // 20, 256 * MIB, 2048 * MIB)
    return {
        "max_wal_size": _mib(log_ahead_bytes),
        # Log files are recycled rather than created while readings come in.
        "min_wal_size": _mib(log_ahead_bytes // 4),
        "checkpoint_timeout": "15min",
        # Spreads the writes over the time between checkpoints, so that commits do not queue behind them.
        "checkpoint_completion_target": "0.9",
        # Full pages shrink to a fraction: less wear on a memory card. The build has no lz4.
        "wal_compression": "pglz",
        # One box has no replica.
        "wal_level": "minimal",
        "max_wal_senders": "0",
    }


def _manner_settings() -> dict[str, str]:
    return {
        # Fast disks are the rule, even on small boxes: an index scan costs little more than a sequential one.
        "random_page_cost": "1.1",
        # A client that stalls in a transaction would hold its locks, and keep vacuum from cleaning, for ever.
        "idle_in_transaction_session_timeout": "10min",
        "timezone": "'UTC'",
        "log_timezone": "'UTC'",
        "lc_messages": "'C'",
        "log_line_prefix": "'%m [%p] %u@%d '",
        # Shows that recovery makes progress, so that a start is not abandoned while it does.
        "log_startup_progress_interval": "1s",
        "log_min_duration_statement": "5s",
        # Values in statements are personal data and password hashes: they do not belong in a log.
        "log_parameter_max_length": "0",
        "log_parameter_max_length_on_error": "0",
    }


def _between(value: int, lowest: int, highest: int) -> int:
    return max(lowest, min(value, highest))


def _mib(size_bytes: int) -> str:
    return f"{size_bytes // MIB}MB"
