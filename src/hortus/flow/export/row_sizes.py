"""How many bytes the rows of an export have, calculated from what does not differ between rows. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from hortus.base.spreadsheets import safe_text
from hortus.flow.export.columns import ARCHIVED_RAW, RAW, Column, csv_line

_TIME = "2026-11-30T12:00:00.000000Z"
_ID = str(UUID(int=0))

# Measured with exports of a few thousand rows; how far they compress depends on the values.
_PARQUET_READING = 47
_PARQUET_AGGREGATE = 75
_AGGREGATE = {"csv": 205, "ndjson": 440, "parquet": _PARQUET_AGGREGATE}
_ARCHIVED_AGGREGATE = 100
_ARCHIVED_MEDIUM = 240
_ARCHIVED_IN_ALL = 2000
_COMPRESSED_TO = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesRows:
    """About how many readings there are of one peripheral and quantity, and what each of their rows says."""

    rows: float
    peripheral_id: int = 0
    peripheral_name: str = ""
    configuration_id: int = 0
    quantity_type_id: int = 0
    physical_quantity: str | None = None
    physical_unit: str | None = None
    value: float | None = None

    @property
    def is_known(self) -> bool:
        """Whether it is known whose readings these are."""
        return self.peripheral_id != 0

    def row(self, columns: Sequence[Column]) -> dict[str, object]:
        """Return a row like all of these."""
        values: dict[str, object] = {
            "datetime": _TIME,
            "peripheral": self.peripheral_id,
            "peripheralName": self.peripheral_name,
            "kitConfiguration": self.configuration_id,
            "quantityType": self.quantity_type_id,
            "physicalQuantity": self.physical_quantity or "",
            "physicalUnit": self.physical_unit or "",
            "value": self.value or 0.0,
            "receivedAt": _TIME,
            "id": _ID,
            "implausible": False,
        }
        return {column.name: values[column.name] for column in columns}


def bytes_of_readings(series: Iterable[SeriesRows], form: str) -> int:
    """Return the bytes of readings as `csv`, `ndjson` or `parquet`."""
    if form == "parquet":
        return round(_PARQUET_READING * sum(each.rows for each in series))
    return _total(series, RAW, is_json=form == "ndjson")


def bytes_of_aggregates(rows: int, form: str) -> int:
    """Return the bytes of aggregates."""
    return _AGGREGATE[form] * rows


def bytes_of_archive(series: Iterable[SeriesRows], aggregates: int, media: int) -> int:
    """Return the bytes of the archive, whose texts are compressed."""
    plain = (
        _total(series, ARCHIVED_RAW, is_json=False)
        + _ARCHIVED_AGGREGATE * aggregates
        + _ARCHIVED_MEDIUM * media
    )
    return _ARCHIVED_IN_ALL + round(_COMPRESSED_TO * plain)


def _total(series: Iterable[SeriesRows], columns: Sequence[Column], *, is_json: bool) -> int:
    """Return the bytes of all rows. Rows of unknown series are like the others on average."""
    measure = _json_bytes if is_json else _csv_bytes
    all_of_them = list(series)
    known = [each for each in all_of_them if each.is_known and each.rows]
    rows = sum(each.rows for each in known)
    size = sum(each.rows * measure(each.row(columns)) for each in known)
    more = sum(each.rows for each in all_of_them) - rows
    average = size / rows if rows else measure(SeriesRows(rows=1, peripheral_name="Sensor").row(columns))
    return round(size + more * average)


def _csv_bytes(row: dict[str, object]) -> int:
    return len(csv_line([safe_text(cell) if isinstance(cell, str) else cell for cell in row.values()]))


def _json_bytes(row: dict[str, object]) -> int:
    return len(json.dumps(row, separators=(",", ":"), ensure_ascii=False).encode()) + 1
