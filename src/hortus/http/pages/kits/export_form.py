"""The three questions of an export: what, which time, which form. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from hortus.base.language.translation import gettext, gettext_noop
from hortus.domain.series.charts import EARLIEST
from hortus.flow.export.estimate import ARCHIVE
from hortus.flow.export.formats import Format
from hortus.flow.export.selection import Data
from hortus.flow.export.sheets import Sheet
from hortus.http.pages.forms import Form
from hortus.http.pages.moments import address_text, moment_in

USUAL_RANGE = "30d"
SHEET = "sheet"
"""The choice of CSV for spreadsheet programs that write numbers with a comma, with local times."""
FIXED = "fixed"
"""The choice of a range whose two ends are entered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One of the answers to a question; texts are in English."""

    value: str
    name: str
    about: str = ""


WHAT = (
    Choice(
        value="raw",
        name=gettext_noop("Readings"),
        about=gettext_noop("Every single value, with the time it was measured and the time it arrived."),
    ),
    Choice(
        value="aggregate",
        name=gettext_noop("Summaries"),
        about=gettext_noop("Figures that the kit itself computed over a while: count, average, extremes."),
    ),
    Choice(
        value="archive",
        name=gettext_noop("Everything, as archive"),
        about=gettext_noop("A zip with readings, summaries, configurations and the list of pictures."),
    ),
)
FORMS = (
    Choice(
        value=Format.CSV,
        name=gettext_noop("CSV"),
        about=gettext_noop("For spreadsheets, R and most programs."),
    ),
    Choice(
        value=SHEET,
        name=gettext_noop("CSV with decimal commas"),
        about=gettext_noop("For Excel where numbers are written with a comma; has the kit's times too."),
    ),
    Choice(
        value=Format.NDJSON,
        name=gettext_noop("NDJSON"),
        about=gettext_noop("For programs: one JSON object in each line."),
    ),
    Choice(
        value=Format.PARQUET,
        name=gettext_noop("Parquet"),
        about=gettext_noop("For pandas, Polars and DuckDB: small and quick to read."),
    ),
)

# The same as on charts, so that a link from there keeps its range.
RANGES: dict[str, timedelta | None] = {
    "1h": timedelta(hours=1),
    "6h": timedelta(hours=6),
    "24h": timedelta(hours=24),
    "3d": timedelta(days=3),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
    "90d": timedelta(days=90),
    "1y": timedelta(days=365),
    "all": None,
}
RANGE_NAMES = {
    "1h": gettext_noop("Last hour"),
    "6h": gettext_noop("Last 6 hours"),
    "24h": gettext_noop("Last 24 hours"),
    "3d": gettext_noop("Last 3 days"),
    "7d": gettext_noop("Last 7 days"),
    "30d": gettext_noop("Last 30 days"),
    "90d": gettext_noop("Last 90 days"),
    "1y": gettext_noop("Last year"),
    "all": gettext_noop("All time"),
    FIXED: gettext_noop("From one moment to another"),
}


_CHOOSE = {
    "what": gettext_noop("Choose what to export."),
    "r": gettext_noop("Choose one of these ranges of time."),
    "format": gettext_noop("Choose one of these forms."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An export: what, from when to when (None is unlimited), and in which form."""

    what: str
    range: str
    start: datetime | None
    end: datetime | None
    form: Format
    is_sheet: bool = False

    @property
    def chosen_form(self) -> str:
        """The answer to the question of the form."""
        return SHEET if self.is_sheet else str(self.form)

    @property
    def is_archive(self) -> bool:
        return self.what == "archive"

    @property
    def data(self) -> Data:
        """The kind of data; for the archive, which has all of them, readings."""
        return Data.AGGREGATE if self.what == "aggregate" else Data.RAW

    @property
    def estimated_form(self) -> str:
        """The form as estimates know it."""
        return ARCHIVE if self.is_archive else str(self.form)

    def query(self) -> str:
        """Return the query of the download, with both ends as fixed moments."""
        values = {"what": self.what, "format": "" if self.is_archive else self.chosen_form}
        return self._encoded(values)

    def api_query(self) -> str:
        """Return the query of the API for the same rows."""
        style = {"sheet": str(Sheet.SEMICOLON), "local": "kit"} if self.is_sheet else {}
        return self._encoded({"format": str(self.form), "data": str(self.data), **style})

    def _encoded(self, values: dict[str, str]) -> str:
        values["from"] = address_text(self.start) if self.start else ""
        values["to"] = address_text(self.end) if self.end else ""
        return urlencode({name: value for name, value in values.items() if value}, safe=":")


def read_wanted(query: QueryParams, now: datetime, zone: tzinfo) -> tuple[Wanted, Form]:
    """Return what an address asks for, and what is wrong with it. What is wrong has its usual value instead."""
    form = Form(values=dict(query))
    what = _one_of(form, "what", [each.value for each in WHAT], "raw")
    format_ = _one_of(form, "format", [*map(str, Format), SHEET], str(Format.CSV))
    is_sheet = format_ == SHEET
    start, end = _moment(form, "from", zone), _moment(form, "to", zone)
    usual = FIXED if form.value("from") or form.value("to") else USUAL_RANGE
    range_ = _one_of(form, "r", list(RANGE_NAMES), usual)
    if range_ != FIXED:
        length = RANGES[range_]
        # To the end of this second: addresses have no fractions.
        end_of_now = now.replace(microsecond=0) + timedelta(seconds=1)
        start, end = (None, None) if length is None else (end_of_now - length, end_of_now)
    elif not form.faults and start and end and start >= end:
        form.refuse("to", gettext("The range ends before it begins."))
    form_ = Format.CSV if is_sheet else Format(format_)
    return Wanted(what=what, range=range_, start=start, end=end, form=form_, is_sheet=is_sheet), form


def local_inputs(wanted: Wanted, now: datetime, zone: tzinfo) -> tuple[str, str]:
    """Return the values of the two fields for moments; without limits those of the last day."""
    midnight = datetime.combine(now.astimezone(zone).date(), time(), zone)
    start = wanted.start or midnight - timedelta(days=1)
    end = wanted.end or midnight
    return (f"{start.astimezone(zone):%Y-%m-%dT%H:%M}", f"{end.astimezone(zone):%Y-%m-%dT%H:%M}")


def _one_of(form: Form, name: str, known: list[str], usual: str) -> str:
    value = form.value(name) or usual
    if value not in known:
        form.refuse(name, gettext(_CHOOSE[name]))
        return usual
    return value


def _moment(form: Form, name: str, zone: tzinfo) -> datetime | None:
    text = form.value(name)
    if not text:
        return None
    try:
        return max(moment_in(text, zone), EARLIEST)
    except (ValueError, OverflowError):
        form.refuse(name, gettext("A time looks like 2026-11-28T09:00."))
        return None
