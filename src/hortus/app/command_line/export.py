"""`hortus export`: a kit's measurements as a file."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.app.command_line.database_access import database_errors_in_words, open_url
from hortus.app.command_line.terminal import DataDirOption, messages, run
from hortus.base.database.engine import connector, open_engine
from hortus.base.database.url import DatabaseUrl
from hortus.base.errors import UsageError
from hortus.base.time_zones import fault_of_time_zone
from hortus.domain.kits.store import KitNotFound
from hortus.domain.kits.tables import KIT_COLUMNS, KitLastSeenRow, KitRow
from hortus.flow.export.archive import archive, archive_name, read_contents
from hortus.flow.export.file import write_file, write_to_standard_output
from hortus.flow.export.formats import Format, export
from hortus.flow.export.parquet import require_parquet
from hortus.flow.export.reading import Piece
from hortus.flow.export.selection import Data, Selection
from hortus.flow.export.sheets import CsvStyle, Sheet
from hortus.flow.export.source import ExportedKit, failures_in_words, open_source
from hortus.flow.migrations.revision import require_current
from hortus.http.conventions.parameters import LARGEST_ID, parse_time
from hortus.http.documents.kits import Kit, kit_object

STANDARD_OUTPUT = Path("-")

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class FileFormat(StrEnum):
    """The format of the file."""

    CSV = "csv"
    NDJSON = "ndjson"
    PARQUET = "parquet"
    ZIP = "zip"


class ExportedData(StrEnum):
    """The content of the file."""

    RAW = "raw"
    AGGREGATE = "aggregate"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    serial: str
    form: FileFormat
    selection: Selection
    style: CsvStyle
    output: Path | None
    force: bool


def _moment(text: str) -> datetime:
    try:
        return parse_time(f"{text}T00:00:00Z" if _DATE.fullmatch(text) else text)
    except ValueError as error:
        raise typer.BadParameter(
            "a time looks like 2026-11-22T12:24:18Z, or 2026-11-22 for midnight"
        ) from error


def _zone(name: str) -> ZoneInfo:
    fault = fault_of_time_zone(name)
    if fault is not None:
        raise typer.BadParameter(fault)
    return ZoneInfo(name)


def export_command(
    kit: Annotated[str, typer.Argument(help="The kit's serial, for example k-3b4c-6d7f-8g9h.")],
    form: Annotated[
        FileFormat, typer.Option("--format", help="zip is the whole archive, whatever --data says.")
    ] = FileFormat.CSV,
    data: Annotated[ExportedData, typer.Option("--data", help="Readings, or aggregates.")] = ExportedData.RAW,
    start: Annotated[
        datetime | None, typer.Option("--from", parser=_moment, metavar="TIME", help="From this time on.")
    ] = None,
    end: Annotated[
        datetime | None, typer.Option("--to", parser=_moment, metavar="TIME", help="Before this time.")
    ] = None,
    configuration: Annotated[
        int | None,
        typer.Option("--configuration", min=1, max=LARGEST_ID, help="Only of this configuration (its id)."),
    ] = None,
    peripheral: Annotated[
        int | None,
        typer.Option("--peripheral", min=1, max=LARGEST_ID, help="Only of this peripheral (its id)."),
    ] = None,
    quantity_type: Annotated[
        int | None,
        typer.Option("--quantity-type", min=1, max=LARGEST_ID, help="Only of this quantity type (its id)."),
    ] = None,
    sheet: Annotated[
        Sheet,
        typer.Option("--sheet", help="semicolon: CSV for spreadsheets that write numbers with a comma."),
    ] = Sheet.PLAIN,
    local: Annotated[
        ZoneInfo | None,
        typer.Option("--local", parser=_zone, metavar="ZONE", help="CSV: also the times of this time zone."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", help="The file; - is standard output. Without it: named for kit and time."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    data_dir: DataDirOption = None,
) -> None:
    """Write a kit's readings to a file. The file appears only once it is complete."""
    if start is not None and end is not None and end < start:
        raise UsageError("--from lies after --to.")
    if form is FileFormat.ZIP and (peripheral is not None or quantity_type is not None):
        raise UsageError("The archive has all peripherals and quantity types; choose another --format.")
    if form is not FileFormat.CSV and (sheet is not Sheet.PLAIN or local is not None):
        raise UsageError("--sheet and --local are for --format csv.")
    if form is FileFormat.PARQUET:
        require_parquet()
    selection = Selection(
        data=Data(data),
        start=start,
        end=end,
        configuration_id=configuration,
        peripheral_id=peripheral,
        quantity_type_id=quantity_type,
    )
    style = CsvStyle(sheet, local)
    wanted = _Wanted(serial=kit, form=form, selection=selection, style=style, output=output, force=force)

    async def work() -> None:
        async with open_url(data_dir) as url, open_engine(url) as engine:
            with database_errors_in_words(url):
                await require_current(engine)
                await _write(engine, url, wanted)

    run(work())


async def _write(engine: AsyncEngine, url: DatabaseUrl, wanted: _Wanted) -> None:
    kit = await _find_kit(engine, wanted.serial)
    with failures_in_words():
        async with open_source(connector(url, "hortus export"), kit["id"]) as source:
            if source is None:
                raise KitNotFound(wanted.serial)
            made_at = datetime.now(UTC)
            pieces = await _pieces(engine, source, kit, wanted, made_at)
            if wanted.output == STANDARD_OUTPUT:
                await write_to_standard_output(pieces)
                return
            path = wanted.output or Path(_name(wanted, made_at))
            rows = await write_file(path, pieces, force=wanted.force)
    what = f"{rows:,} rows, " if wanted.form is not FileFormat.ZIP else ""
    messages.print(f"Wrote {path}: {what}{path.stat().st_size:,} bytes.", markup=False, soft_wrap=True)


async def _find_kit(engine: AsyncEngine, serial: str) -> Kit:
    statement = (
        select(*KIT_COLUMNS)
        .outerjoin(KitLastSeenRow, KitLastSeenRow.kit_id == KitRow.id)
        .where(KitRow.serial == serial)
    )
    async with engine.connect() as connection:
        row = (await connection.execute(statement)).mappings().one_or_none()
    if row is None:
        raise KitNotFound(serial)
    return kit_object(row, is_exact=True)


async def _pieces(
    engine: AsyncEngine, source: ExportedKit, kit: Kit, wanted: _Wanted, made_at: datetime
) -> AsyncIterator[Piece]:
    selection = wanted.selection
    if wanted.form is not FileFormat.ZIP:
        return export(source, selection, Format(wanted.form), wanted.style)
    async with engine.connect() as connection:
        contents = await read_contents(
            connection,
            kit,
            configuration_id=selection.configuration_id,
            start=selection.start,
            end=selection.end,
            made_at=made_at,
        )
    return _uncounted(archive(source, contents))


async def _uncounted(chunks: AsyncIterator[bytes]) -> AsyncIterator[Piece]:
    async for chunk in chunks:
        yield Piece(chunk, 0)


def _name(wanted: _Wanted, made_at: datetime) -> str:
    if wanted.form is FileFormat.ZIP:
        return archive_name(wanted.serial, made_at)
    return f"{wanted.serial}_{wanted.selection.data}_{made_at:%Y-%m-%dT%H%M%SZ}.{wanted.form}"
