"""The archive of a kit: a zip of everything that it measured, generated while it is being sent.

The first two files have the names and format that users of the AstroPlant API know (http-api 4.9); the others
follow. A zip ends with its directory, so every program recognises a truncated one.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.spreadsheets import safe_text
from hortus.base.times import format_optional_time, format_time
from hortus.domain.definitions.queries import list_definitions, list_quantity_types
from hortus.domain.kits.configurations import configurations_of_kit
from hortus.domain.kits.documents import KitConfigurationWithPeripherals, configuration_with_peripherals
from hortus.flow.export.columns import (
    ARCHIVED_AGGREGATE_BEFORE_VALUES,
    ARCHIVED_MEDIA,
    ARCHIVED_RAW,
    csv_line,
)
from hortus.flow.export.reading import Piece, ahead, csv_of_aggregates, csv_of_rows
from hortus.flow.export.selection import Data, Selection
from hortus.flow.export.source import ExportedKit, failures_in_words

_ALL = 2**31 - 1
_FILE_MODE = 0o100644
_CHUNK_BYTES = 256 * 1024
# Readings compress to a fifth at level 1; level 6 takes four times as long for a tenth less.
_COMPRESSION_LEVEL = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveContents:
    """The contents of an archive apart from the rows. `start` and `end` are its limits; None is unlimited."""

    kit: Mapping[str, Any]
    configurations: list[KitConfigurationWithPeripherals]
    definitions: list[RowMapping]
    quantity_types: list[RowMapping]
    configuration_id: int | None
    start: datetime | None
    end: datetime | None
    made_at: datetime


@dataclass(slots=True)
class _Counted:
    """The rows and bytes of a file written so far."""

    name: str
    rows: int | None
    size_bytes: int = 0
    digest: Any = None


def archive_name(serial: str, made_at: datetime) -> str:
    """Return the file name of an archive (http-api 4.9)."""
    return f"{serial}_{made_at:%Y-%m-%dT%H%M%SZ}.zip"


async def read_contents(
    connection: AsyncConnection,
    kit: Mapping[str, Any],
    *,
    configuration_id: int | None,
    start: datetime | None,
    end: datetime | None,
    made_at: datetime,
) -> ArchiveContents:
    """Read the contents of a kit's archive apart from its rows; `kit` is the kit's representation in the API.

    Call this after opening the source of the rows, so that every row's peripheral is among those read.
    """
    configurations, peripherals = await configurations_of_kit(connection, kit["id"])
    definitions, _ = await list_definitions(connection, None, _ALL)
    return ArchiveContents(
        kit=kit,
        configurations=[
            configuration_with_peripherals(row, peripherals.get(row["id"], [])) for row in configurations
        ],
        definitions=list(definitions),
        quantity_types=list(await list_quantity_types(connection, None, _ALL)),
        configuration_id=configuration_id,
        start=start,
        end=end,
        made_at=made_at,
    )


async def archive(source: ExportedKit, contents: ArchiveContents) -> AsyncIterator[bytes]:
    """Yield the zip. Raises ExportFailed if it cannot be finished."""
    # Imported lazily, because it pulls in a library for encrypted archives.
    from stream_zip import ZIP_64, async_stream_zip

    counted: list[_Counted] = []

    async def members() -> AsyncIterator[Any]:
        for name, pieces in _files(source, contents):
            count = _Counted(name, 0 if name.endswith(".csv") else None, digest=hashlib.sha256())
            counted.append(count)
            yield name, contents.made_at, _FILE_MODE, ZIP_64, _counting(ahead(pieces()), count)
        last = _pieces(_json(_list_of_contents(contents, counted)))
        yield "contents.json", contents.made_at, _FILE_MODE, ZIP_64, _counting(last, _Counted("", None))

    def compressor() -> Any:
        return zlib.compressobj(wbits=-zlib.MAX_WBITS, level=_COMPRESSION_LEVEL)

    with failures_in_words():
        async for chunk in async_stream_zip(members(), chunk_size=_CHUNK_BYTES, get_compressobj=compressor):
            yield chunk


_Pieces = Callable[[], AsyncIterator[Piece]]


def _files(source: ExportedKit, contents: ArchiveContents) -> list[tuple[str, _Pieces]]:
    selection = Selection(
        data=Data.RAW,
        start=contents.start,
        end=contents.end,
        configuration_id=contents.configuration_id,
    )
    aggregates = replace(selection, data=Data.AGGREGATE, ended=True)
    media = replace(selection, data=Data.MEDIA)
    return [
        ("configurations.json", lambda: _pieces(_json(contents.configurations))),
        (
            "aggregate_measurements.csv",
            lambda: csv_of_aggregates(source, aggregates, ARCHIVED_AGGREGATE_BEFORE_VALUES, ()),
        ),
        ("raw_measurements.csv", lambda: csv_of_rows(source, selection, ARCHIVED_RAW)),
        ("peripherals.csv", lambda: _pieces(*_peripherals(contents))),
        ("quantity_types.csv", lambda: _pieces(*_quantity_types(contents))),
        ("media.csv", lambda: csv_of_rows(source, media, ARCHIVED_MEDIA)),
    ]


async def _pieces(header: bytes, *rows: bytes) -> AsyncIterator[Piece]:
    yield Piece(header + b"".join(rows), len(rows))


async def _counting(pieces: AsyncIterator[Piece], count: _Counted) -> AsyncIterator[bytes]:
    async for piece in pieces:
        if count.rows is not None:
            count.rows += piece.rows
        count.size_bytes += len(piece.content)
        if count.digest is not None:
            count.digest.update(piece.content)
        yield piece.content


def _peripherals(contents: ArchiveContents) -> list[bytes]:
    definitions = {row["id"]: row for row in contents.definitions}
    header = (
        "peripheral",
        "peripheralName",
        "kitConfiguration",
        "peripheralDefinition",
        "peripheralDefinitionName",
        "brand",
        "model",
    )
    lines = [csv_line(header)]
    for configuration in contents.configurations:
        for peripheral in configuration["peripherals"]:
            definition = definitions[peripheral["peripheralDefinitionId"]]
            texts = [safe_text(definition[name] or "") for name in ("name", "brand", "model")]
            lines.append(
                csv_line(
                    [
                        peripheral["id"],
                        safe_text(peripheral["name"]),
                        configuration["id"],
                        definition["id"],
                        *texts,
                    ]
                )
            )
    return lines


def _quantity_types(contents: ArchiveContents) -> list[bytes]:
    lines = [csv_line(("quantityType", "physicalQuantity", "physicalUnit", "physicalUnitSymbol"))]
    for row in contents.quantity_types:
        names = ("physical_quantity", "physical_unit", "physical_unit_symbol")
        lines.append(csv_line([row["id"], *(safe_text(row[name] or "") for name in names)]))
    return lines


def _list_of_contents(contents: ArchiveContents, counted: list[_Counted]) -> dict[str, Any]:
    return {
        "kit": contents.kit,
        "madeAt": format_time(contents.made_at),
        "from": format_optional_time(contents.start),
        "to": format_optional_time(contents.end),
        "configuration": contents.configuration_id,
        "files": [
            {"name": each.name, "rows": each.rows, "bytes": each.size_bytes, "sha256": each.digest.hexdigest()}
            for each in counted
        ],
    }


def _json(document: Any) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
