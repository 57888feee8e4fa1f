"""The columns of each kind of data: their names, and the SQL that formats their values.

Rows go from PostgreSQL to the file as text; values are not converted in Python. Times are UTC with six
fractional digits, so that their lexical order is their order in time.

In CSV, texts that a spreadsheet program would run as a formula are prefixed with an apostrophe (see
hortus.base.spreadsheets). Numbers are not changed, nor are texts in other formats.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from hortus.base.spreadsheets import AS_FORMULA, safe_text
from hortus.domain.plausibility.fragments import (
    IS_IMPLAUSIBLE_AGGREGATE,
    ON_LIMITS,
    VERDICT,
    is_plausible,
    limits_where,
    supported_hours,
)
from hortus.flow.export.selection import PLACES, Data, Where

MOST_VALUE_NAMES = 100
"""The number of value names that get a column of their own. Kits choose the names freely."""

OTHER_VALUES = "otherValues"
"""The JSON column for values with any further names; present only if there are some."""

USUAL_VALUE_NAMES = ("count", "average", "minimum", "maximum")


class ColumnKind(StrEnum):
    """The data type of a column."""

    TIME = "time"
    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name in the file, the SQL expression of its values, and their type.

    A column of times also has the `moment` that its expression formats.
    """

    name: str
    expression: str
    kind: ColumnKind
    moment: str = ""


def _time(name: str, column: str) -> Column:
    expression = f"""to_char(m.{column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
    return Column(name, expression, ColumnKind.TIME, f"m.{column}")


def _seconds(name: str, column: str) -> Column:
    expression = f"""to_char(m.{column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')"""
    return Column(name, expression, ColumnKind.TIME, f"m.{column}")


_PERIPHERAL = Column("peripheral", "m.peripheral_id", ColumnKind.INTEGER)
_PERIPHERAL_NAME = Column("peripheralName", "p.name", ColumnKind.TEXT)
_CONFIGURATION = Column("kitConfiguration", "m.kit_configuration_id", ColumnKind.INTEGER)
_QUANTITY_TYPE = Column("quantityType", "m.quantity_type_id", ColumnKind.INTEGER)
_QUANTITY = Column("physicalQuantity", "q.physical_quantity", ColumnKind.TEXT)
_UNIT = Column("physicalUnit", "q.physical_unit", ColumnKind.TEXT)
_VALUE = Column("value", "m.value", ColumnKind.NUMBER)
_RECEIVED_AT = _time("receivedAt", "received_at")
_ID = Column("id", "m.id", ColumnKind.TEXT)

_NAMED = (_PERIPHERAL, _PERIPHERAL_NAME, _CONFIGURATION, _QUANTITY_TYPE, _QUANTITY, _UNIT)

_IMPLAUSIBLE = Column("implausible", f"NOT {is_plausible('m')}", ColumnKind.BOOLEAN)

RAW = (_time("datetime", "datetime"), *_NAMED, _VALUE, _RECEIVED_AT, _ID, _IMPLAUSIBLE)
AGGREGATE_BEFORE_VALUES = (
    _time("datetimeStart", "datetime_start"),
    _time("datetimeEnd", "datetime_end"),
    *_NAMED,
)
AGGREGATE_AFTER_VALUES = (
    _RECEIVED_AT,
    _ID,
    Column("implausible", "m.implausible", ColumnKind.BOOLEAN),
)
VALUES_AS_OBJECT = Column("values", "m.values", ColumnKind.JSON)

# In the archive, names are in separate files. Format and order of its aggregates: http-api 4.9.
ARCHIVED_RAW = (
    _time("datetime", "datetime"),
    _PERIPHERAL,
    _CONFIGURATION,
    _QUANTITY_TYPE,
    _VALUE,
    _RECEIVED_AT,
    _IMPLAUSIBLE,
)
ARCHIVED_AGGREGATE_BEFORE_VALUES = (
    _seconds("datetimeStart", "datetime_start"),
    _seconds("datetimeEnd", "datetime_end"),
    _PERIPHERAL,
    _CONFIGURATION,
    _QUANTITY_TYPE,
)
ARCHIVED_MEDIA = (
    _time("datetime", "datetime"),
    _PERIPHERAL,
    _CONFIGURATION,
    _ID,
    Column("name", "m.name", ColumnKind.TEXT),
    Column("type", "m.type", ColumnKind.TEXT),
    Column("sizeBytes", "m.size", ColumnKind.INTEGER),
    Column("metadata", "m.metadata", ColumnKind.JSON),
    _RECEIVED_AT,
)

_NAMES = """
LEFT JOIN peripherals p ON p.id = m.peripheral_id
LEFT JOIN quantity_types q ON q.id = m.quantity_type_id
"""


@dataclass(frozen=True, slots=True)
class ValueNames:
    """The value names that get a column each. `others`: whether there are more, which share one column."""

    names: tuple[str, ...]
    others: bool = False

    @classmethod
    def of(cls, found: set[str]) -> ValueNames:
        """Return the names for those found: the usual names first, then the others alphabetically."""
        others = len(found) > MOST_VALUE_NAMES
        # If there are too many, the usual names may be missing from those found.
        usual = [name for name in USUAL_VALUE_NAMES if name in found or others]
        ordered = (*usual, *sorted(found.difference(usual)))
        return cls(ordered[:MOST_VALUE_NAMES], others)


def with_values(
    before: Sequence[Column], values: ValueNames, after: Sequence[Column], where: Where
) -> tuple[Column, ...]:
    """Return the columns of aggregates with those of the values, whose names become arguments of `where`."""
    taken = {column.name for column in (*before, *after)} | {OTHER_VALUES}
    columns = []
    for name in values.names:
        shown = name
        while shown in taken:
            shown = f"values.{shown}"
        taken.add(shown)
        columns.append(Column(shown, f"m.values ->> {where.argument(name)}::text", ColumnKind.NUMBER))
    if values.others:
        expression = f"nullif(m.values - {where.argument(values.names)}::text[], '{{}}')"
        columns.append(Column(OTHER_VALUES, expression, ColumnKind.JSON))
    return (*before, *columns, *after)


def csv_header(columns: Sequence[Column], delimiter: str = ",") -> bytes:
    return csv_line([safe_text(column.name) for column in columns], delimiter)


def csv_line(cells: Sequence[object], delimiter: str = ",") -> bytes:
    """Return one CSV line, including its line break."""
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerow(cells)
    return text.getvalue().encode()


def csv_query(columns: Sequence[Column], data: Data, where: Where) -> str:
    """Return the query whose CSV output goes into the file."""
    return _query(", ".join(map(_csv_expression, columns)), columns, data, where)


def json_query(columns: Sequence[Column], data: Data, where: Where) -> str:
    """Return a query with a single column: each row as a JSON object."""
    members = ", ".join(f'{column.expression} AS "{column.name}"' for column in columns)
    return _query(f"row_to_json((SELECT r FROM (SELECT {members}) AS r))", columns, data, where)  # noqa: S608  (our own names)


def plain_query(columns: Sequence[Column], data: Data, where: Where) -> str:
    """Return the query whose CSV output is parsed by our own code: texts are not escaped."""
    return _query(", ".join(map(_plain_expression, columns)), columns, data, where)


def _query(expressions: str, columns: Sequence[Column], data: Data, where: Where) -> str:
    """Return a query of our own names only; values are arguments."""
    place = PLACES[data]
    names = _NAMES if any(column.expression.startswith(("p.", "q.")) for column in columns) else ""
    before, rows = "", f"{place.table} m {names} WHERE {where}"
    if any(column.kind is ColumnKind.BOOLEAN for column in columns):
        before, rows = _JUDGED[data].format(kit=where.kit, where=where), f"found m {names}"
    return f"{before} SELECT {expressions} FROM {rows} ORDER BY m.{place.time}, m.id"  # noqa: S608


_JUDGED = {
    Data.RAW: f"""
    WITH {limits_where("p.kit_id = {kit}")}, found AS MATERIALIZED (
        SELECT m.*, l.lone_error_value, l.lone_error_within, {VERDICT} AS verdict
        FROM raw_measurements m LEFT JOIN limits l {ON_LIMITS}
        WHERE {{where}}
    ), {supported_hours("found")}
    """,  # noqa: S608
    Data.AGGREGATE: f"""
    WITH {limits_where("p.kit_id = {kit}")}, found AS (
        SELECT m.*, {IS_IMPLAUSIBLE_AGGREGATE} AS implausible
        FROM aggregate_measurements m LEFT JOIN limits l {ON_LIMITS}
        WHERE {{where}}
    )
    """,  # noqa: S608
}


def _csv_expression(column: Column) -> str:
    if column.kind is not ColumnKind.TEXT or column is _ID:
        return _plain_expression(column)
    # The SQL equivalent of `safe_text`: ascii() returns the code of the first character.
    first = ", ".join(str(ord(character)) for character in AS_FORMULA)
    text = column.expression
    return f"CASE WHEN ascii({text}) IN ({first}) THEN '''' || {text} ELSE {text} END"


def _plain_expression(column: Column) -> str:
    return f"({column.expression})::text" if column.kind is ColumnKind.BOOLEAN else column.expression
