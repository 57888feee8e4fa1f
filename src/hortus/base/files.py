"""Private files and directories: unreadable to other users, and never left half written by a crash."""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path

from hortus.base.errors import OperationalError, describe_error

PRIVATE_DIRECTORY = 0o700
PRIVATE_FILE = 0o600


class DirectoryNotUsable(OperationalError):
    """A directory or file of the installation cannot be created, read or written."""


def make_private_directory(path: Path) -> None:
    """Create `path` with mode 0700 unless it exists.

    Raises DirectoryNotUsable if that is not possible.
    """
    try:
        path.mkdir(mode=PRIVATE_DIRECTORY, exist_ok=True)
    except OSError as error:
        raise not_usable(path, error) from error


def write_private_file(path: Path, content: str, *, owner: tuple[int, int] | None = None) -> None:
    """Write `content` to `path` (mode 0600) atomically.

    It belongs to the user and group id `owner`; as root by default to the owner of its directory, who has to be
    able to read it.

    Raises DirectoryNotUsable if that is not possible.
    """
    # An unguessable name, created with O_EXCL, cannot be a link planted by an attacker.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(content)
                file.flush()
                if owner := owner or owner_of(path.parent):
                    os.fchown(descriptor, *owner)
                os.fsync(descriptor)
            temporary.replace(path)
            sync_directory(path.parent)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise not_usable(path, error) from error


def owner_of(directory: Path) -> tuple[int, int] | None:
    """Return the user and group id that root gives the files it makes in a directory; None for other users."""
    if os.geteuid() != 0:
        return None
    status = directory.stat()
    return status.st_uid, status.st_gid


def sync_directory(path: Path) -> None:
    """Make a directory's entries durable: a rename is safe only once its directory is synced."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def not_usable(path: Path, error: OSError) -> DirectoryNotUsable:
    """Return an error whose message explains in one sentence why `path` is unusable and what to do."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            advice = "the disk is full. Free some space and start again."
        case errno.EROFS:
            advice = "it is on a read-only file system. Choose another directory with --data-dir."
        case errno.EACCES | errno.EPERM:
            advice = (
                "this user has no permission there. Choose another directory with --data-dir, "
                "or run Hortus as the user that owns it."
            )
        case errno.ENOENT:
            advice = f"{path.parent} does not exist. Make that directory first, or choose another one."
        case errno.ENOTDIR | errno.EEXIST:
            advice = "it is, or lies below, a file and not a directory. Choose another one with --data-dir."
        case _:
            reason = error.strerror or describe_error(error)
            advice = f"the operating system says: {reason}. Choose another directory."
    return DirectoryNotUsable(f"Cannot use {path}: {advice}")
