"""CSV for spreadsheet programs: local times, and the form that those of many countries expect."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from zoneinfo import ZoneInfo

from hortus.base.spreadsheets import BYTE_ORDER_MARK
from hortus.flow.export.columns import Column, ColumnKind, csv_header

_ZONE_NAME = re.compile(r"[A-Za-z0-9_+/-]+", re.ASCII)
_OF_DEVICE = ("datetime", "datetimeStart", "datetimeEnd")


class Sheet(StrEnum):
    """The form of a CSV file."""

    PLAIN = "plain"
    SEMICOLON = "semicolon"
    """For programs that write numbers with a comma: semicolons between cells, a byte order mark, and times as
    these programs read them, to the second."""


@dataclass(frozen=True, slots=True)
class CsvStyle:
    """How a CSV file is written. With a zone, the times of the device are also told by its clocks."""

    sheet: Sheet = Sheet.PLAIN
    zone: ZoneInfo | None = None

    @property
    def copy_options(self) -> dict[str, str]:
        """The options of COPY."""
        return {"delimiter": ";"} if self.sheet is Sheet.SEMICOLON else {}

    def header(self, columns: Sequence[Column]) -> bytes:
        """Return what stands before the rows."""
        if self.sheet is Sheet.PLAIN:
            return csv_header(columns)
        return BYTE_ORDER_MARK.encode() + csv_header(columns, ";")

    def columns(self, columns: Sequence[Column]) -> list[Column]:
        """Return the columns in this style, with those of local times."""
        return [styled for column in columns for styled in self._styled(column)]

    def _styled(self, column: Column) -> list[Column]:
        is_plain = self.sheet is Sheet.PLAIN
        if column.kind is ColumnKind.NUMBER and not is_plain:
            return [replace(column, expression=f"replace(({column.expression})::text, '.', ',')")]
        if column.kind is not ColumnKind.TIME:
            return [column]
        found = [column if is_plain else replace(column, expression=_for_sheets(column.moment, "UTC"))]
        if self.zone is not None and column.name in _OF_DEVICE:
            found += self._local(column, _quoted(self.zone), is_plain=is_plain)
        return found

    def _local(self, column: Column, zone: str, *, is_plain: bool) -> list[Column]:
        name, moment = f"{column.name}Local", column.moment
        ahead = f"({moment} AT TIME ZONE {zone} - {moment} AT TIME ZONE 'UTC')"
        sign = f"CASE WHEN {ahead} < interval '0' THEN '-' ELSE '+' END"
        offset = f"{sign} || to_char(greatest({ahead}, -{ahead}), 'HH24:MI')"
        if is_plain:
            local = f"""to_char({moment} AT TIME ZONE {zone}, 'YYYY-MM-DD"T"HH24:MI:SS.US')"""
            return [Column(name, f"{local} || {offset}", ColumnKind.TIME)]
        # The offset alone would be a formula.
        return [
            Column(name, f"to_char({moment} AT TIME ZONE {zone}, '{_SHEET_TIME}')", ColumnKind.TIME),
            Column(f"{column.name}Offset", f"'UTC' || {offset}", ColumnKind.TIME),
        ]


PLAIN = CsvStyle()
_SHEET_TIME = "YYYY-MM-DD HH24:MI:SS"


def _for_sheets(moment: str, zone: str) -> str:
    return f"to_char({moment} AT TIME ZONE '{zone}', '{_SHEET_TIME}')"


def _quoted(zone: ZoneInfo) -> str:
    name = str(zone)
    assert _ZONE_NAME.fullmatch(name)
    return f"'{name}'"
