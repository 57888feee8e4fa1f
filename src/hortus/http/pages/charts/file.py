"""What a chart shows as a CSV file. Pure."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from io import StringIO

from hortus.base.spreadsheets import BYTE_ORDER_MARK, safe_text
from hortus.http.pages.charts.answer import unit_of
from hortus.http.pages.charts.store import Drawing, DrawnSeries
from hortus.http.pages.charts.table import Cell, point_rows


class SheetStyle(StrEnum):
    """For which programs a file is written."""

    PLAIN = ""
    SEMICOLON = "semicolon"
    """For spreadsheet programs of countries that write numbers with a comma: semicolons between cells, and a
    byte order mark. Times are written as such programs read dates; the offset has a column of its own."""


def csv_of(drawing: Drawing, style: SheetStyle = SheetStyle.PLAIN) -> str:
    """Return the rows as a file: times of the zone with its offset and of UTC, and units in the header."""
    file = StringIO()
    is_plain = style is SheetStyle.PLAIN
    writer = csv.writer(file, delimiter="," if is_plain else ";")
    times = ["Time", "Time (UTC)"] if is_plain else ["Time", "Offset", "Time (UTC)"]
    titles = [safe_text(title) for each in drawing.series for title in _titles(each)]
    writer.writerow([*times, *titles])
    for row in point_rows(drawing):
        figures = [
            figure
            for cell, each in zip(row.cells, drawing.series, strict=True)
            for figure in _figures(cell, is_single=each.points.width_seconds is None)
        ]
        if is_plain:
            utc = _text(row.at, UTC).replace("+00:00", "Z")
            writer.writerow([_text(row.at, drawing.zone), utc, *figures])
        else:
            writer.writerow([*_sheet_times(row.at, drawing.zone), *map(_with_comma, figures)])
    return file.getvalue() if is_plain else BYTE_ORDER_MARK + file.getvalue()


def _titles(drawn: DrawnSeries) -> list[str]:
    quantity = drawn.series.quantity_type.physical_quantity
    name = f"{quantity}, {drawn.sensor} ({unit_of(drawn)})"
    if drawn.points.width_seconds is None:
        return [name]
    return [f"{name} mean", f"{name} minimum", f"{name} maximum", f"{name} readings"]


def _figures(cell: Cell | None, *, is_single: bool) -> list[float | int | str | None]:
    if is_single:
        return ["" if cell is None else cell.mean]
    if cell is None:
        return ["", "", "", ""]
    return [cell.mean, cell.minimum, cell.maximum, cell.count]


def _text(moment: datetime, zone: tzinfo) -> str:
    timespec = "milliseconds" if moment.microsecond else "seconds"
    return moment.astimezone(zone).isoformat(timespec=timespec)


def _sheet_times(moment: datetime, zone: tzinfo) -> list[str]:
    local = moment.astimezone(zone)
    plain = [f"{each:%Y-%m-%d %H:%M:%S}" for each in (local, moment.astimezone(UTC))]
    # The offset would be a formula.
    return [plain[0], f"UTC{local:%z}", plain[1]]


def _with_comma(figure: float | str | None) -> float | str | None:
    return str(figure).replace(".", ",") if isinstance(figure, float) else figure
