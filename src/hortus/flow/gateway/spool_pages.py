"""Reads rows out of an SQLite file page by page, past damage at which SQLite itself gives up.

The format: https://www.sqlite.org/fileformat2.html. Rows with overflow pages are skipped; a spool has none.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from hortus.flow.gateway.spool_format import PAGE_BYTES
from hortus.flow.gateway.spool_log import LogFrame, frames, has_header

Value = int | float | str | bytes | None

_TABLE_LEAF, _TABLE_INTERIOR = 0x0D, 0x05
_LONGEST_INLINE = PAGE_BYTES - 35
_INTEGER_BYTES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
# Page 1 begins with the header of the file.
_FILE_HEADER_BYTES = 100


class _Unreadable(Exception):
    """A page or a cell makes no sense."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table. A column that is the table's INTEGER PRIMARY KEY is None; its value is the `rowid`."""

    rowid: int
    values: tuple[Value, ...]


@dataclass(slots=True)
class Walk:
    """Which pages a walk through a table has visited, and whether it came to any that make no sense."""

    visited: set[int] = field(default_factory=set)
    met_damage: bool = False


class SpoolPages:
    """The pages of a database and its log, as far as they exist. A context manager."""

    def __init__(self, database: Path, log: Path) -> None:
        self._files = ExitStack()
        self._database = self._open(database)
        self._log = self._open(log)
        self._in_log: dict[int, LogFrame] = {}
        self.count = database.stat().st_size // PAGE_BYTES if self._database else 0
        self.has_log = self._log is not None
        self.has_whole_log = self._log is not None and has_header(self._log)
        for frame in frames(self._log) if self._log else ():
            if frame.is_intact:
                self._in_log[frame.page] = frame
                self.count = max(self.count, frame.page)
            else:
                self.has_whole_log = False

    def _open(self, path: Path) -> BinaryIO | None:
        return self._files.enter_context(path.open("rb")) if path.is_file() else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.close()

    def rows(self, root: int, walk: Walk) -> Iterator[Row]:
        """Yield the rows of the table with this root page, in order of their ids where nothing is damaged."""
        waiting = [root]
        while waiting:
            number = waiting.pop()
            if number in walk.visited or not 1 <= number <= self.count:
                walk.met_damage = True
                continue
            walk.visited.add(number)
            page = self._read(number)
            start = _FILE_HEADER_BYTES if number == 1 else 0
            if len(page) < PAGE_BYTES or page[start] not in {_TABLE_LEAF, _TABLE_INTERIOR}:
                walk.met_damage = True
            elif page[start] == _TABLE_LEAF:
                yield from _rows_of_leaf(page, start, walk)
            else:
                waiting += reversed(_children(page, start, walk))

    def stray_rows(self, walk: Walk) -> Iterator[Row]:
        """Yield the rows of table pages that no walk has visited and that are not free."""
        known = walk.visited | self._free_pages()
        for number in range(2, self.count + 1):
            if number not in known:
                page = self._read(number)
                if len(page) == PAGE_BYTES and page[0] == _TABLE_LEAF:
                    yield from _rows_of_leaf(page, 0, walk)

    def _read(self, number: int) -> bytes:
        frame = self._in_log.get(number)
        file = self._log if frame else self._database
        if file is None:
            return b""
        file.seek(frame.content_at if frame else (number - 1) * PAGE_BYTES)
        return file.read(PAGE_BYTES)

    def _free_pages(self) -> set[int]:
        """Return the free pages: they hold rows that were deleted."""
        free: set[int] = set()
        header = self._read(1)
        trunk = int.from_bytes(header[32:36]) if len(header) == PAGE_BYTES else 0
        while 1 < trunk <= self.count and trunk not in free:
            free.add(trunk)
            page = self._read(trunk)
            following, count = struct.unpack_from(">II", page.ljust(8, b"\0"))
            listed = page[8 : 8 + 4 * min(count, PAGE_BYTES // 4 - 2)]
            free.update(number for (number,) in struct.iter_unpack(">I", listed[: len(listed) // 4 * 4]))
            trunk = following
        return free


def _children(page: bytes, start: int, walk: Walk) -> list[int]:
    children = []
    for at in _cell_pointers(page, start + 12, start, walk):
        if at + 4 <= PAGE_BYTES:
            children.append(int.from_bytes(page[at : at + 4]))
        else:
            walk.met_damage = True
    return [*children, int.from_bytes(page[start + 8 : start + 12])]


def _rows_of_leaf(page: bytes, start: int, walk: Walk) -> Iterator[Row]:
    for at in _cell_pointers(page, start + 8, start, walk):
        try:
            yield _row(page, at)
        except _Unreadable:
            walk.met_damage = True


def _cell_pointers(page: bytes, first: int, start: int, walk: Walk) -> list[int]:
    (count,) = struct.unpack_from(">H", page, start + 3)
    if first + 2 * count > PAGE_BYTES:
        walk.met_damage = True
        count = (PAGE_BYTES - first) // 2
    return list(struct.unpack_from(f">{count}H", page, first))


def _row(page: bytes, at: int) -> Row:
    payload_bytes, at = _varint(page, at)
    rowid, at = _varint(page, at)
    payload = page[at : at + payload_bytes]
    if payload_bytes > _LONGEST_INLINE or len(payload) < payload_bytes:
        raise _Unreadable
    header_bytes, position = _varint(payload, 0)
    content = header_bytes
    values = []
    while position < header_bytes:
        kind, position = _varint(payload, position)
        value, content = _value(payload, kind, content)
        values.append(value)
    if position != header_bytes or content != len(payload):
        raise _Unreadable
    return Row(rowid - (1 << 64) if rowid >= 1 << 63 else rowid, tuple(values))


def _value(payload: bytes, kind: int, at: int) -> tuple[Value, int]:
    """Return the value of a serial type, and where the next one begins."""
    if kind in {0, 8, 9}:
        return (None if kind == 0 else kind - 8), at
    if kind in {10, 11}:
        raise _Unreadable
    length = _INTEGER_BYTES.get(kind) or (8 if kind == 7 else (kind - 12) // 2)
    data = payload[at : at + length]
    if len(data) < length:
        raise _Unreadable
    end = at + length
    if kind < 7:
        return int.from_bytes(data, signed=True), end
    if kind == 7:
        (number,) = struct.unpack(">d", data)
        return float(number), end
    return (data if kind % 2 == 0 else data.decode("utf-8", "replace")), end


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index in range(9):
        if at + index >= len(data):
            raise _Unreadable
        byte = data[at + index]
        if index == 8:
            return (value << 8) | byte, at + 9
        value = (value << 7) | (byte & 0x7F)
        if byte < 0x80:
            return value, at + index + 1
    raise AssertionError("nine bytes end a varint")
