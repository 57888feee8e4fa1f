"""SQLite's log beside a spool (`-wal`), looked at from outside: is it there, and which frames are intact.

SQLite ignores all that follows a damaged frame, and starts without a log that is missing: it cannot know that
this was not the end of an interrupted transaction. The format: https://www.sqlite.org/fileformat2.html#walformat.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from hortus.flow.gateway.spool_format import PAGE_BYTES

_HEADER_BYTES = 32
_FRAME_HEADER_BYTES = 24
_FRAME_BYTES = _FRAME_HEADER_BYTES + PAGE_BYTES
_LITTLE_ENDIAN, _BIG_ENDIAN = 0x377F0682, 0x377F0683


@dataclass(frozen=True, slots=True)
class LogFrame:
    """One page as a transaction left it, and where its content begins in the log."""

    page: int
    content_at: int
    is_intact: bool


@dataclass(frozen=True, slots=True)
class LogState:
    """What a log looks like. `commits`: the frames (from 1) with which its transactions end, damaged or not."""

    is_there: bool
    commits: tuple[int, ...] = ()

    def lacks_transactions(self, frames_in_use: int) -> bool:
        """Return whether transactions that were synced are unreadable, if SQLite uses so many frames.

        One that ends after these may have been interrupted. If two do, the first was synced before the second.
        """
        return sum(commit > frames_in_use for commit in self.commits) >= 2


@dataclass(frozen=True, slots=True)
class _Header:
    salts: bytes
    checksum: tuple[int, int]
    words: str


def log_of(database: Path) -> Path:
    """Return the path of the log that belongs to a database."""
    return database.with_name(f"{database.name}-wal")


def log_state(path: Path) -> LogState:
    """Return the state of a log, before SQLite opens it. Raises OSError."""
    if not path.is_file():
        return LogState(is_there=False)
    with path.open("rb") as file:
        header = _header(file)
        if header is None:
            return LogState(is_there=False)
        commits = [
            index
            for index, (_, pages_after_commit, salts, _) in enumerate(_frame_headers(file), 1)
            if salts == header.salts and pages_after_commit
        ]
    return LogState(is_there=True, commits=tuple(commits))


def has_header(file: BinaryIO) -> bool:
    """Return whether a log has an intact header, without which nothing in it can be told from what is old."""
    return _header(file) is not None


def frames(file: BinaryIO) -> Iterator[LogFrame]:
    """Yield the frames of a log, also those after a damaged one."""
    header = _header(file)
    if header is None:
        return
    before = header.checksum
    for index, (page, pages_after_commit, salts, checksum) in enumerate(_frame_headers(file)):
        content_at = _HEADER_BYTES + index * _FRAME_BYTES + _FRAME_HEADER_BYTES
        if salts == header.salts:
            file.seek(content_at)
            content = file.read(PAGE_BYTES)
            covered = struct.pack(">II", page, pages_after_commit) + content
            # The checksum continues that of the frame before, as written in the log.
            is_intact = len(content) == PAGE_BYTES and _checksum(covered, header.words, before) == checksum
            yield LogFrame(page=page, content_at=content_at, is_intact=is_intact)
        before = checksum


def _header(file: BinaryIO) -> _Header | None:
    """Return the header if it is intact."""
    file.seek(0)
    data = file.read(_HEADER_BYTES)
    if len(data) < _HEADER_BYTES:
        return None
    magic, _version, page_bytes = struct.unpack_from(">III", data)
    words = {_LITTLE_ENDIAN: "<", _BIG_ENDIAN: ">"}.get(magic)
    first, second = struct.unpack_from(">II", data, 24)
    if words is None or page_bytes != PAGE_BYTES or _checksum(data[:24], words, (0, 0)) != (first, second):
        return None
    return _Header(salts=data[16:24], checksum=(first, second), words=words)


def _frame_headers(file: BinaryIO) -> Iterator[tuple[int, int, bytes, tuple[int, int]]]:
    """Yield page number, size of the database after a commit (else 0), salts and checksum of each frame."""
    index = 0
    while True:
        file.seek(_HEADER_BYTES + index * _FRAME_BYTES)
        data = file.read(_FRAME_HEADER_BYTES)
        if len(data) < _FRAME_HEADER_BYTES:
            return
        page, pages_after_commit, first, second = struct.unpack(">II8xII", data)
        yield page, pages_after_commit, data[8:16], (first, second)
        index += 1


def _checksum(data: bytes, words: str, before: tuple[int, int]) -> tuple[int, int]:
    first, second = before
    for one, other in struct.iter_unpack(f"{words}II", data):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + other + first) & 0xFFFFFFFF
    return first, second
