"""The texts in the fields of a form: those of a value, the defaults, and added or removed rows. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from hortus.http.pages.schema_forms.kinds import (
    MOST_ROWS,
    SECONDS_OF,
    Kind,
    is_required,
    kind_of,
    name_below,
    properties_of,
    unit_of,
)

Texts = dict[str, str]
"""What is in the fields of a form, by their names. A switch that is off has no entry."""

COUNT, UNIT = "count", "unit"
"""Below the name of rows: how many there are; below that of an interval: its unit."""

NOON = "12:00"


def default_of(schema: Any, *, required: bool = True, level: int = 0) -> Any:
    """Return the value with which a new form starts, or None for an empty field."""
    if isinstance(schema, dict) and "default" in schema:
        return schema["default"]
    match kind_of(schema, level=level):
        case Kind.GROUP:
            parts = {
                key: default_of(part, required=is_required(schema, key), level=level + 1)
                for key, part in properties_of(schema).items()
            }
            return {key: value for key, value in parts.items() if value is not None}
        case Kind.ROWS if required:
            # One row, since a list that is required is hardly useful empty.
            row = default_of(schema["items"], level=level + 1)
            return [] if row is None else [row]
        case Kind.CHOICE if required:
            return schema["enum"][0]
        case Kind.TIME if required:
            return NOON
        case Kind.SWITCH if required:
            return False
        case _:
            return None


def texts_of(schema: Any, value: Any, name: str, *, level: int = 0, unit: str = "") -> Texts:
    """Return what the fields of this part show for a value; None stands for an empty field."""
    kind = kind_of(schema, level=level, inherited_unit=unit)
    if kind is Kind.GROUP:
        given = value if isinstance(value, dict) else {}
        texts: Texts = {}
        for key, part in properties_of(schema).items():
            texts |= texts_of(
                part, given.get(key), name_below(name, key), level=level + 1, unit=unit_of(schema)
            )
        return texts
    if kind is Kind.ROWS:
        rows = value if isinstance(value, list) else []
        texts = {name_below(name, COUNT): str(len(rows))}
        for index, row in enumerate(rows):
            texts |= texts_of(schema["items"], row, name_below(name, index), level=level + 1)
        return texts
    return _text_of_one(kind, value, name)


def choice_text(value: Any) -> str:
    """Return how a form sends one value of an enum."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def number_text(value: Any) -> str:
    """Return a number as it is entered."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    return str(value)


def row_count(texts: Mapping[str, str], name: str) -> int:
    """Return how many rows a form has, never more than MOST_ROWS."""
    text = texts.get(name_below(name, COUNT), "")
    return min(int(text), MOST_ROWS) if text.isascii() and text.isdigit() and len(text) < 5 else 0


def with_row_added(schema: Any, texts: Texts, name: str) -> Texts:
    """Return the texts with one more row for this list, which starts with its defaults."""
    count = row_count(texts, name)
    if count >= MOST_ROWS:
        return texts
    items = schema["items"]
    row = texts_of(items, default_of(items, level=1), name_below(name, count), level=1)
    return texts | row | {name_below(name, COUNT): str(count + 1)}


def with_row_removed(texts: Texts, name: str, index: int) -> Texts:
    """Return the texts without this row; those after it move up."""
    count = row_count(texts, name)
    if not 0 <= index < count:
        return texts
    kept: Texts = {}
    for key, text in texts.items():
        row, rest = _row_of(key, name)
        if row is None:
            kept[key] = text
        elif row != index:
            kept[f"{name}.{row - (row > index)}{rest}"] = text
    return kept | {name_below(name, COUNT): str(count - 1)}


def interval_parts(seconds: int) -> tuple[int, str]:
    """Return an interval in the largest unit in which it is a whole number, if there are at least two of it."""
    for unit in ("h", "min"):
        if seconds % SECONDS_OF[unit] == 0 and (seconds >= 2 * SECONDS_OF[unit] or (unit == "h" and seconds)):
            return seconds // SECONDS_OF[unit], unit
    return seconds, "s"


def _row_of(key: str, name: str) -> tuple[int | None, str]:
    """Return the row of a field below this name, and the rest of its name."""
    if not key.startswith(f"{name}."):
        return None, ""
    first, dot, rest = key[len(name) + 1 :].partition(".")
    return (int(first), dot + rest) if first.isascii() and first.isdigit() else (None, "")


def _text_of_one(kind: Kind, value: Any, name: str) -> Texts:
    if kind is Kind.NOTHING:
        return {}
    if kind is Kind.SWITCH:
        return {name: "on"} if value is True else {}
    if kind is Kind.JSON:
        text = "" if value is None else orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
        return {name: text}
    if kind is Kind.CHOICE:
        # Null may be one of the choices, and is then no empty field.
        return {name: "" if value is None else choice_text(value)}
    if kind is Kind.INTERVAL and isinstance(value, int) and not isinstance(value, bool):
        count, unit = interval_parts(value)
        return {name: str(count), name_below(name, UNIT): unit}
    unit_text = {name_below(name, UNIT): "s"} if kind is Kind.INTERVAL else {}
    if value is None:
        return {name: ""} | unit_text
    if isinstance(value, str):
        return {name: value} | unit_text
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return {name: number_text(value) if is_number else orjson.dumps(value).decode()} | unit_text
