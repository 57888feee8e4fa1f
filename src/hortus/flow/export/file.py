"""Writes an export to a file atomically, or to standard output."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from hortus.base.errors import OperationalError, UsageError, describe_error
from hortus.flow.export.reading import Piece


class FileExists(UsageError):
    """The output file already exists."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} exists. Choose another name with --output, or replace it with --force.")


async def write_file(path: Path, pieces: AsyncIterator[Piece], *, force: bool) -> int:
    """Write the pieces to a new file and return the number of rows.

    The data goes to a temporary file in the same directory, which is renamed when complete and removed if
    anything fails. Raises FileExists if the file exists and `force` is not set, or OperationalError if the
    disk cannot be written.
    """
    _require_free(path, force=force)
    try:
        descriptor, unfinished = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                rows = 0
                async for piece in pieces:
                    file.write(piece.content)
                    rows += piece.rows
                file.flush()
                os.fsync(file.fileno())
            _take_ordinary_permissions(unfinished)
            _require_free(path, force=force)
            Path(unfinished).replace(path)
        except BaseException:  # also when interrupted: remove the unfinished file; re-raised
            Path(unfinished).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise OperationalError(
            f"{path} cannot be written: {error.strerror or describe_error(error)}."
        ) from error
    return rows


def _require_free(path: Path, *, force: bool) -> None:
    if path.is_dir():
        raise UsageError(f"{path} is a directory; name a file with --output.")
    if path.exists() and not force:
        raise FileExists(path)


def _take_ordinary_permissions(path: str) -> None:
    """Apply the umask's permissions: temporary files are created readable by their owner only."""
    mask = os.umask(0)
    os.umask(mask)
    Path(path).chmod(0o666 & ~mask)


async def write_to_standard_output(pieces: AsyncIterator[Piece]) -> None:
    """Write the pieces to standard output. Raises OperationalError if the reader has closed it."""
    try:
        async for piece in pieces:
            sys.stdout.buffer.write(piece.content)
        sys.stdout.buffer.flush()
    except OSError as error:
        # Buffered output would otherwise be flushed again at exit, and fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise OperationalError(
            f"Standard output cannot be written: {error.strerror or describe_error(error)}."
        ) from error
