"""The data directory: everything that one installation stores, used by one process at a time."""

from __future__ import annotations

import fcntl
import json
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from hortus import __version__
from hortus.base.errors import OperationalError, UsageError
from hortus.base.files import PRIVATE_FILE, make_private_directory, not_usable, write_private_file
from hortus.base.installation.run_info import RunInfo
from hortus.base.installation.secret_store import Secrets

FORMAT = 1
"""The version of the directory's layout; raised when an older version of Hortus could not work with it."""

_LOCK = "hortus.lock"
_RUN = "run.json"
_INSTALLATION = "installation.json"
# A command that only checks whether the lock is held, holds it itself for an instant.
_LOCK_PATIENCE_SECONDS = 0.25


class DirectoryInUse(UsageError):
    """Another process uses this data directory."""


class DirectoryMissing(UsageError):
    """There is no data directory at this path."""


class DirectoryDamaged(OperationalError):
    """A file that describes the data directory cannot be parsed."""


class NewerInstallation(UsageError):
    """The data directory was written by a version of Hortus whose layout this one does not know."""


class DataDirectory:
    """A data directory that this process uses exclusively until it closes it or ends.

    Only its owner can read its contents.
    """

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock

    @classmethod
    def open(cls, path: Path, *, create: bool = True) -> DataDirectory:
        """Open and lock the directory, creating it if `create` is set and its parent exists.

        Raises DirectoryInUse, DirectoryMissing, DirectoryNotUsable or NewerInstallation, each with advice.
        """
        path = path.expanduser().absolute()
        try:
            if not create and not path.exists():
                raise DirectoryMissing(
                    f"There is no data directory at {path}. Start one with `hortus up --data-dir {path}`, or "
                    "name another."
                )
            make_private_directory(path)
            directory = cls(path, _take_lock(path))
        except OSError as error:
            raise not_usable(path, error) from error
        try:
            directory._prepare()
        except BaseException:  # also when interrupted: the lock must not outlive the attempt; raised again
            directory.close()
            raise
        return directory

    @property
    def postgres(self) -> Path:
        return self.path / "postgres"

    @property
    def media(self) -> Path:
        """Directory of pictures and other media."""
        return self.path / "media"

    @property
    def spool(self) -> Path:
        """Directory of messages that the database could not accept yet."""
        return self.path / "spool"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def secrets(self) -> Secrets:
        return Secrets(self.path / "secrets")

    def announce(self, info: RunInfo) -> None:
        """Publish this installation's addresses for operators' commands, until `withdraw` or `close`."""
        info.write(self.path / _RUN)

    def withdraw(self) -> None:
        """Stop directing operators' commands to this process."""
        (self.path / _RUN).unlink(missing_ok=True)

    def close(self) -> None:
        """Release the directory for other processes. May be called repeatedly."""
        if self._lock >= 0:
            try:
                self.withdraw()
            finally:
                os.close(self._lock)
                self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _prepare(self) -> None:
        self._check_format()
        try:
            # Left by a killed process: holding the lock proves that it has ended.
            self.withdraw()
        except OSError as error:
            raise not_usable(self.path, error) from error
        for directory in (self.postgres, self.path / "secrets", self.media, self.spool, self.logs):
            make_private_directory(directory)

    def _check_format(self) -> None:
        path = self.path / _INSTALLATION
        found = _read_format(path)
        if found is not None and found[0] > FORMAT:
            raise NewerInstallation(
                f"The data directory {self.path} belongs to a newer version of Hortus ({found[1]}; this is "
                f"{__version__}). Install that version or a later one."
            )
        if found != (FORMAT, __version__):
            content = {"format": FORMAT, "hortus_version": __version__}
            write_private_file(path, json.dumps(content, indent=2) + "\n")


def running_installation(path: Path) -> RunInfo | None:
    """Return the installation running in this data directory, or None if there is none or it is not ready yet.

    Raises DirectoryNotUsable if this user has no permission to check.
    """
    path = path.expanduser().absolute()
    try:
        lock = os.open(path / _LOCK, os.O_RDONLY | os.O_NOFOLLOW)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise not_usable(path, error) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        info = RunInfo.read(path / _RUN)
        # A process that has just taken the lock may not have removed the record of a killed process yet.
        return info if info and info.process_id == _holder(lock) else None
    finally:
        os.close(lock)
    return None


def _take_lock(path: Path) -> int:
    """Return a descriptor that holds the lock while it is open; child processes do not inherit it."""
    lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, PRIVATE_FILE)
    try:
        _wait_for_lock(lock, path)
        os.truncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    except BaseException:  # also when interrupted: the descriptor must not leak; raised again
        os.close(lock)
        raise
    return lock


def _wait_for_lock(lock: int, path: Path) -> None:
    deadline = time.monotonic() + _LOCK_PATIENCE_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() < deadline:
                time.sleep(0.02)
                continue
            holder = _holder(lock)
            who = f" (process {holder})" if holder else ""
            raise DirectoryInUse(
                f"Hortus already runs in {path}{who}. Stop it first, or choose another directory "
                "with --data-dir."
            ) from error
        return


def _holder(lock: int) -> int | None:
    content = os.pread(lock, 32, 0).strip()
    return int(content) if content.isdigit() else None


def _read_format(path: Path) -> tuple[int, str] | None:
    """Return the layout's version and the Hortus version that last ran, or None for a new directory."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return int(content["format"]), str(content.get("hortus_version", "unknown"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise not_usable(path, error) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DirectoryDamaged(
            f"{path} is damaged, so its version of Hortus is unknown. Restore it from a backup."
        ) from error
