"""The log of the embedded PostgreSQL: bounded in size, and parsed to explain why a start failed.

PostgreSQL writes to a file that Hortus opened, so its user needs no permission on the directory and no logging
process, and it never waits for Hortus to read, as it would with a pipe.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from hortus.base.embedded_postgres.account import CannotRunPostgres
from hortus.base.errors import OperationalError
from hortus.base.files import PRIVATE_FILE, make_private_directory, not_usable, owner_of

MAX_LOG_BYTES = 8 * 1024 * 1024
_MAX_READ_BYTES = 64 * 1024

_FATAL = re.compile(r"(?:FATAL|PANIC|ERROR):\s+(.*)|^initdb: error: (.*)|^setpriv: (.*)", re.MULTILINE)
_EXPLANATIONS = (
    (r"No space left on device|Disk quota exceeded", "the disk is full. Free some space and start again."),
    (r"Read-only file system", "{directory} is on a read-only file system. Choose another directory."),
    (
        r"could not map anonymous shared memory|Cannot allocate memory|out of memory",
        "there is not enough memory. End other programs, or give this machine or container more.",
    ),
    (
        r"could not locate a valid checkpoint record|invalid checkpoint record|invalid page in block",
        "its files in {directory} are damaged. Restore the directory from a backup.",
    ),
    (
        r"Permission denied|Operation not permitted",
        "its user has no permission on a file in {directory}. Run Hortus as the same user as before.",
    ),
)


class PortTaken(OperationalError):
    """Another program listens on the port chosen for PostgreSQL."""


class PostgresLog:
    """The log file at `path`, with one older file, `path`.1."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._start_bytes = 0

    def open(self) -> int:
        """Return a descriptor to write to; what is logged from now on counts as the log of this start."""
        make_private_directory(self.path.parent)
        try:
            self.bound()
            # Append mode allows truncating the file while PostgreSQL writes.
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
            descriptor = os.open(self.path, flags, PRIVATE_FILE)
            if owner := owner_of(self.path.parent):
                os.fchown(descriptor, *owner)
        except OSError as error:
            raise not_usable(self.path, error) from error
        self._start_bytes = os.fstat(descriptor).st_size
        return descriptor

    def bound(self) -> None:
        """Rotate the log into the older file if it has grown too large.

        Copied and truncated, not renamed, because PostgreSQL keeps the file open. What it writes in the instant
        between the two is lost, which is acceptable for a log.
        """
        if not self.path.exists() or self.path.stat().st_size < MAX_LOG_BYTES:
            return
        predecessor = self.path.with_name(self.path.name + ".1")
        shutil.copyfile(self.path, predecessor)
        predecessor.chmod(PRIVATE_FILE)
        if owner := owner_of(self.path.parent):
            os.chown(predecessor, *owner)
        os.truncate(self.path, 0)
        self._start_bytes = 0

    def read(self) -> str:
        """Return what was logged since this start, at most the last 64 KB."""
        try:
            with self.path.open("rb") as file:
                size_bytes = file.seek(0, os.SEEK_END)
                file.seek(max(self._start_bytes, size_bytes - _MAX_READ_BYTES))
                return file.read(_MAX_READ_BYTES).decode("utf-8", errors="replace")
        except FileNotFoundError:
            return ""


def explain(log: str, directory: Path, log_path: Path) -> OperationalError:
    """Return the error that explains to the operator why PostgreSQL did not start, judging by its log."""
    if "Address already in use" in log:
        return PortTaken("The port of the embedded PostgreSQL is taken by another program. End that program.")
    for pattern, advice in _EXPLANATIONS:
        if re.search(pattern, log):
            return CannotRunPostgres(f"PostgreSQL could not start: {advice.format(directory=directory)}")
    reasons = [next(filter(None, match.groups()), "") for match in _FATAL.finditer(log)]
    reason = reasons[-1] if reasons else "it gave no reason"
    return CannotRunPostgres(f"PostgreSQL could not start: {reason.rstrip('.')}. Its log is {log_path}.")
