"""The data directory: everything that one installation keeps, used by one process at a time."""

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
"""Of the directory's layout; raised when an older version of Hortus could not work with it."""

_LOCK = "hortus.lock"
_RUN = "run.json"
_INSTALLATION = "installation.json"
# A command that only looks whether somebody holds the lock, holds it itself for an instant.
_LOCK_PATIENCE_SECONDS = 0.25


class DirectoryInUse(UsageError):
    """Another process works with this data directory."""


class DirectoryMissing(UsageError):
    """There is no data directory at this place."""


class DirectoryDamaged(OperationalError):
    """A file that describes the data directory cannot be understood."""


class NewerInstallation(UsageError):
    """The data directory was written by a version of Hortus whose layout this one does not know."""


class DataDirectory:
    """A data directory that this process alone uses, until it closes it or ends in whatever way.

    Everything in it is for its owner only.
    """

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock

    @classmethod
    def open(cls, path: Path, *, create: bool = True) -> DataDirectory:
        """Take hold of the directory, making it if `create` and its parent exists.

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
        except BaseException:
            directory.close()
            raise
        return directory

    @property
    def postgres(self) -> Path:
        """The embedded PostgreSQL's directory."""
        return self.path / "postgres"

    @property
    def media(self) -> Path:
        """Where pictures and other media are kept."""
        return self.path / "media"

    @property
    def spool(self) -> Path:
        """Where messages wait that the database could not take yet."""
        return self.path / "spool"

    @property
    def logs(self) -> Path:
        """Where logs are written."""
        return self.path / "logs"

    @property
    def secrets(self) -> Secrets:
        """Passwords and keys of this installation."""
        return Secrets(self.path / "secrets")

    def announce(self, info: RunInfo) -> None:
        """Let operators' commands find what runs here, until `withdraw` or `close`."""
        info.write(self.path / _RUN)

    def withdraw(self) -> None:
        """Tell operators' commands no longer to come here."""
        (self.path / _RUN).unlink(missing_ok=True)

    def close(self) -> None:
        """Let others use the directory. May be called again."""
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
            # Of a process that was killed; the lock proves that it is gone.
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
    """Return what runs in this data directory now, or None if nothing does or it is not up yet.

    Raises DirectoryNotUsable if this user may not look.
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
        # Between locking and tidying up, there may still be the note of a process that was killed.
        return info if info and info.process_id == _holder(lock) else None
    finally:
        os.close(lock)
    return None


def _take_lock(path: Path) -> int:
    """Return a descriptor that holds the lock for as long as it is open; programs we start do not get it."""
    lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, PRIVATE_FILE)
    try:
        _wait_for_lock(lock, path)
        os.truncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    except BaseException:
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
    """Return the layout's number and the version of Hortus that last ran, or None for a new directory."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return int(content["format"]), str(content.get("hortus_version", "unknown"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise not_usable(path, error) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DirectoryDamaged(
            f"{path} is damaged, so it cannot be told which version of Hortus it belongs to. "
            "Restore it from a backup."
        ) from error
