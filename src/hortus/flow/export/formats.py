"""Exports one kind of data as CSV or NDJSON, both formatted by PostgreSQL, or as Parquet."""

from __future__ import annotations

from collections.abc import AsyncIterator
from enum import StrEnum

from hortus.flow.export.columns import (
    AGGREGATE_AFTER_VALUES,
    AGGREGATE_BEFORE_VALUES,
    RAW,
    VALUES_AS_OBJECT,
    Column,
    json_query,
)
from hortus.flow.export.parquet import parquet_of_aggregates, parquet_of_readings
from hortus.flow.export.reading import Piece, ahead, csv_of_aggregates, csv_of_rows
from hortus.flow.export.selection import Data, Selection
from hortus.flow.export.sheets import PLAIN, CsvStyle
from hortus.flow.export.source import ExportedKit, failures_in_words

# When a row is a single JSON text, COPY must not quote it: JSON never contains these characters unescaped.
_NOTHING_QUOTED = {"quote": "\x01", "delimiter": "\x02"}


class Format(StrEnum):
    """The format of an export; the value is also the extension of its file name."""

    CSV = "csv"
    NDJSON = "ndjson"
    PARQUET = "parquet"


MEDIA_TYPES = {
    Format.CSV: "text/csv; charset=utf-8; header=present",
    Format.NDJSON: "application/x-ndjson",
    Format.PARQUET: "application/vnd.apache.parquet",
}


async def export(
    source: ExportedKit, selection: Selection, form: Format, style: CsvStyle = PLAIN
) -> AsyncIterator[Piece]:
    """Yield the file in pieces; the style is that of CSV. Raises ExportFailed if it cannot be completed."""
    if form is Format.CSV:
        pieces = _csv(source, selection, style)
    else:
        pieces = _WRITERS[form, selection.data](source, selection)
    with failures_in_words():
        async for piece in ahead(pieces):
            yield piece


async def _ndjson(source: ExportedKit, selection: Selection) -> AsyncIterator[Piece]:
    columns: tuple[Column, ...] = RAW
    if selection.data is Data.AGGREGATE:
        columns = (*AGGREGATE_BEFORE_VALUES, VALUES_AS_OBJECT, *AGGREGATE_AFTER_VALUES)
    async for where in source.stretches(selection):
        query = json_query(columns, selection.data, where)
        yield Piece(*await source.copy(query, where, **_NOTHING_QUOTED))


def _csv(source: ExportedKit, selection: Selection, style: CsvStyle) -> AsyncIterator[Piece]:
    if selection.data is Data.AGGREGATE:
        return csv_of_aggregates(source, selection, AGGREGATE_BEFORE_VALUES, AGGREGATE_AFTER_VALUES, style)
    return csv_of_rows(source, selection, RAW, style)


_WRITERS = {
    (Format.NDJSON, Data.RAW): _ndjson,
    (Format.NDJSON, Data.AGGREGATE): _ndjson,
    (Format.PARQUET, Data.RAW): parquet_of_readings,
    (Format.PARQUET, Data.AGGREGATE): parquet_of_aggregates,
}
