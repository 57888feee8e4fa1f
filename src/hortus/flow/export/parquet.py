"""Parquet exports, using pyarrow, an optional dependency: `pip install 'hortus[parquet]'`.

Each row group holds at least ROW_GROUP_ROWS rows and less than a stretch more, so memory is bounded both here
and for readers of the file. The list of row groups comes last, so a truncated file is unreadable.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Sequence
from types import ModuleType
from typing import Any

from hortus.base.errors import UsageError
from hortus.flow.export.columns import (
    AGGREGATE_AFTER_VALUES,
    AGGREGATE_BEFORE_VALUES,
    RAW,
    Column,
    ColumnKind,
    plain_query,
    with_values,
)
from hortus.flow.export.reading import Piece, aggregates_of_stretch, find_value_names
from hortus.flow.export.selection import Selection, Where
from hortus.flow.export.source import ExportedKit

ROW_GROUP_ROWS = 60_000


class ParquetNotInstalled(UsageError):
    """The pyarrow library is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "Parquet needs the library pyarrow, which is not installed here: pip install 'hortus[parquet]'."
        )


def require_parquet() -> None:
    """Raise ParquetNotInstalled unless pyarrow is installed."""
    _pyarrow()


async def parquet_of_readings(source: ExportedKit, selection: Selection) -> AsyncIterator[Piece]:
    """Yield a Parquet file of readings. Raises ParquetNotInstalled."""
    file = _ParquetFile(RAW)
    async for where in source.stretches(selection):
        content, rows = await source.copy(plain_query(RAW, selection.data, where), where)
        yield await asyncio.to_thread(file.add, content, rows)
    yield await asyncio.to_thread(file.end)


async def parquet_of_aggregates(source: ExportedKit, selection: Selection) -> AsyncIterator[Piece]:
    """Yield a Parquet file of aggregates. Raises ParquetNotInstalled."""
    values = await find_value_names(source, selection)
    around = (AGGREGATE_BEFORE_VALUES, AGGREGATE_AFTER_VALUES)
    file = _ParquetFile(with_values(around[0], values, around[1], Where()))
    async for where in source.stretches(selection):
        piece = await aggregates_of_stretch(source, where, values, *around, query=plain_query)
        yield await asyncio.to_thread(file.add, piece.content, piece.rows)
    yield await asyncio.to_thread(file.end)


class _ParquetFile:
    """A Parquet file that is being written. Methods block for milliseconds: call them in a thread."""

    def __init__(self, columns: Sequence[Column]) -> None:
        arrow = _pyarrow()
        types = {
            ColumnKind.TIME: arrow.timestamp("us", tz="UTC"),
            ColumnKind.TEXT: arrow.string(),
            ColumnKind.INTEGER: arrow.int32(),
            ColumnKind.NUMBER: arrow.float64(),
            ColumnKind.BOOLEAN: arrow.bool_(),
            ColumnKind.JSON: arrow.string(),
        }
        self._schema = arrow.schema([(column.name, types[column.kind]) for column in columns])
        self._written = _Outlet()
        self._writer = arrow.parquet.ParquetWriter(self._written, self._schema, compression="zstd")
        self._arrow: Any = arrow
        self._waiting: list[Any] = []
        self._waiting_rows = 0

    def add(self, content: bytes, rows: int) -> Piece:
        """Add rows in CSV form; return the output produced since the last call."""
        if rows:
            self._waiting.append(self._table(content))
            self._waiting_rows += rows
        if self._waiting_rows >= ROW_GROUP_ROWS:
            self._write_waiting()
        return Piece(self._written.take(), rows)

    def end(self) -> Piece:
        """Write the remaining rows and the footer; return the rest of the file."""
        if self._waiting:
            self._write_waiting()
        self._writer.close()
        return Piece(self._written.take(), 0)

    def _table(self, content: bytes) -> Any:
        read = self._arrow.csv
        return read.read_csv(
            self._arrow.BufferReader(content),
            read_options=read.ReadOptions(column_names=self._schema.names, use_threads=False),
            parse_options=read.ParseOptions(newlines_in_values=True),
            convert_options=read.ConvertOptions(
                column_types=self._schema,
                null_values=[""],
                # An unquoted empty cell is a missing value, a quoted one an empty text.
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                timestamp_parsers=[read.ISO8601],
            ),
        )

    def _write_waiting(self) -> None:
        table = self._arrow.concat_tables(self._waiting)
        self._writer.write_table(table, row_group_size=len(table))
        self._waiting = []
        self._waiting_rows = 0


class _Outlet(io.RawIOBase):
    """A writable file in memory whose content is removed piece by piece."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._position = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        """Return the number of bytes written so far, including those already taken."""
        return self._position

    def write(self, part: Any) -> int:
        self._parts.append(bytes(part))
        self._position += len(part)
        return len(part)

    def take(self) -> bytes:
        """Return and discard the bytes written since the last call."""
        content = b"".join(self._parts)
        self._parts = []
        return content


def _pyarrow() -> ModuleType:
    try:
        import pyarrow  # type: ignore[import-untyped]  # it has no types
        import pyarrow.csv  # type: ignore[import-untyped]  # as above
        import pyarrow.parquet  # type: ignore[import-untyped]  # as above
    except ImportError as error:
        raise ParquetNotInstalled from error
    module: ModuleType = pyarrow
    return module
