"""Turns a selection into a CSV file, piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from hortus.flow.export.columns import (
    MOST_VALUE_NAMES,
    Column,
    ValueNames,
    csv_query,
    with_values,
)
from hortus.flow.export.selection import Data, Selection, Where
from hortus.flow.export.sheets import PLAIN, CsvStyle
from hortus.flow.export.source import ExportedKit

Query = Callable[[Sequence[Column], Data, Where], str]
"""Builds the query that returns these columns of a stretch."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a file, and the number of rows in it."""

    content: bytes
    rows: int


async def find_value_names(source: ExportedKit, selection: Selection) -> ValueNames:
    """Return the names of the values in the selected aggregates."""
    found: set[str] = set()
    async for where in source.stretches(selection):
        found |= await source.value_names(where, MOST_VALUE_NAMES + 1)
        if len(found) > MOST_VALUE_NAMES:
            break
    return ValueNames.of(found)


async def csv_of_rows(
    source: ExportedKit, selection: Selection, columns: Sequence[Column], style: CsvStyle = PLAIN
) -> AsyncIterator[Piece]:
    """Yield a CSV file of readings or media."""
    columns = style.columns(columns)
    yield Piece(style.header(columns), 0)
    async for where in source.stretches(selection):
        query = csv_query(columns, selection.data, where)
        yield Piece(*await source.copy(query, where, **style.copy_options))


async def csv_of_aggregates(
    source: ExportedKit,
    selection: Selection,
    before: Sequence[Column],
    after: Sequence[Column],
    style: CsvStyle = PLAIN,
) -> AsyncIterator[Piece]:
    """Yield a CSV file of aggregates. Columns: `before`, one for each value name, `after`."""
    values = await find_value_names(source, selection)
    yield Piece(style.header(style.columns(with_values(before, values, after, Where()))), 0)

    def query(columns: Sequence[Column], data: Data, where: Where) -> str:
        return csv_query(style.columns(columns), data, where)

    async for where in source.stretches(selection):
        yield await aggregates_of_stretch(source, where, values, before, after, query, style.copy_options)


async def aggregates_of_stretch(
    source: ExportedKit,
    where: Where,
    values: ValueNames,
    before: Sequence[Column],
    after: Sequence[Column],
    query: Query = csv_query,
    copy_options: Mapping[str, str] = MappingProxyType({}),
) -> Piece:
    """Return the rows of one stretch in the form that `query` produces.

    Raises ExportFailed if they contain values that have no column.
    """
    if not values.others:
        await source.require_only_these_values(where, values.names)
    columns = with_values(before, values, after, where)
    return Piece(*await source.copy(query(columns, Data.AGGREGATE, where), where, **copy_options))


async def ahead(pieces: AsyncIterator[Piece]) -> AsyncIterator[Piece]:
    """Yield the pieces, reading the next one while the previous one is compressed and sent.

    One, not more: a slow receiver costs no more memory than that.
    """
    reading = asyncio.ensure_future(anext(pieces, None))
    try:
        while (piece := await reading) is not None:
            reading = asyncio.ensure_future(anext(pieces, None))
            yield piece
    finally:
        reading.cancel()
        # Its result or exception no longer matters: the consumer has stopped.
        await asyncio.gather(reading, return_exceptions=True)
