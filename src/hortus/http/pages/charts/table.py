"""The points of a chart as rows: for the table on the page, and for the file (see `file.py`). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hortus.domain.series.charts import EPOCH, Span
from hortus.http.pages.charts.answer import places_of, rounded
from hortus.http.pages.charts.store import Drawing, DrawnSeries
from hortus.http.pages.figures import in_full

ROWS_PER_PAGE = 50
_MOST_PLACES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """The figures of a series at one time; a single reading has only its value.

    `places` are the decimals that all figures of the series are shown with; None: as many as each has.
    """

    places: int | None
    mean: float
    minimum: float | None = None
    maximum: float | None = None
    count: int | None = None

    def text(self, value: float) -> str:
        """Return one of the figures as text; figures below each other line up."""
        return str(value).replace("-", "−", 1) if self.places is None else in_full(value, self.places)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRow:
    """The figures of all series at one time (None: no point), or a gap of one of them, with its series."""

    at: datetime
    cells: tuple[Cell | None, ...] = ()
    gap: Span | None = None
    drawn: DrawnSeries | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePage:
    """Some rows of the table."""

    rows: Sequence[TableRow]
    page: int
    pages: int
    rows_in_total: int


def table_page(drawing: Drawing, page: int) -> TablePage:
    """Return a page of the table; the last one if there are fewer."""
    rows = table_rows(drawing)
    pages = max(1, -(-len(rows) // ROWS_PER_PAGE))
    page = min(page, pages)
    first = (page - 1) * ROWS_PER_PAGE
    return TablePage(rows=rows[first : first + ROWS_PER_PAGE], page=page, pages=pages, rows_in_total=len(rows))


def table_rows(drawing: Drawing) -> list[TableRow]:
    """Return all rows by time. Gaps are rows of their own."""
    gaps = [TableRow(at=gap.start, gap=gap, drawn=each) for each in drawing.series for gap in each.gaps]
    return sorted([*point_rows(drawing), *gaps], key=lambda row: (row.at, row.gap is not None))


def point_rows(drawing: Drawing) -> Iterator[TableRow]:
    """Yield the rows with points, by time."""
    columns = [_cells(each) for each in drawing.series]
    for time_ms in sorted({time_ms for column in columns for time_ms in column}):
        yield TableRow(
            at=EPOCH + timedelta(milliseconds=time_ms), cells=tuple(column.get(time_ms) for column in columns)
        )


def _cells(drawn: DrawnSeries) -> dict[int, Cell]:
    quantity = drawn.series.quantity_type.physical_quantity
    points, places = rounded(drawn.points, quantity), places_of(drawn.points, quantity)
    shown_places = places if places <= _MOST_PLACES else None
    if points.minimum is None or points.maximum is None or points.count is None:
        # Of several readings of the same time the last one counts.
        pairs = zip(points.time_ms, points.mean, strict=True)
        return {at: Cell(places=shown_places, mean=mean) for at, mean in pairs}
    columns = zip(points.time_ms, points.mean, points.minimum, points.maximum, points.count, strict=True)
    return {
        at: Cell(places=shown_places, mean=mean, minimum=minimum, maximum=maximum, count=count)
        for at, mean, minimum, maximum, count in columns
    }
