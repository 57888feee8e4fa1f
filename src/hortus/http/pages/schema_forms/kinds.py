"""How a part of a JSON Schema is entered: what kind of field it becomes, and its label, hint and unit. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from hortus.base.language.translation import gettext

MOST_LEVELS = 3
"""Of groups and rows inside each other; what is deeper is entered as JSON."""

MOST_ROWS = 100
MOST_RADIOS = 5
"""More choices become a list to select from."""

SECONDS_OF = {"s": 1, "min": 60, "h": 3600}
"""The units in which an interval may be entered."""

# What makes a schema more than the fields of a form can say.
_BEYOND_FIELDS = frozenset(
    {"$ref", "allOf", "anyOf", "oneOf", "not", "if", "patternProperties", "dependencies", "const"}
)

# By the word that a description uses for it.
_UNITS = {
    "seconds": "s",
    "minutes": "min",
    "hours": "h",
    "milliseconds": "ms",
    "percent": "%",
    "percentage": "%",
    "degrees celsius": "°C",
    "volts": "V",
    "hertz": "Hz",
    "litres": "l",
    "millilitres": "ml",
}
_UNIT_AT_START = re.compile(rf"({'|'.join(_UNITS)})\b", re.IGNORECASE)
_UNIT_AFTER_IN = re.compile(rf"\bin ({'|'.join(_UNITS)})\b", re.IGNORECASE)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")


class Kind(StrEnum):
    """A kind of field."""

    GROUP = "group"
    ROWS = "rows"
    TEXT = "text"
    TIME = "time"
    WHOLE = "whole"
    NUMBER = "number"
    INTERVAL = "interval"
    SWITCH = "switch"
    CHOICE = "choice"
    NOTHING = "nothing"
    JSON = "json"


def kind_of(schema: Any, *, level: int = 0, inherited_unit: str = "") -> Kind:
    """Return the kind of field for this schema, with this many groups and rows around it."""
    if not isinstance(schema, dict) or schema.keys() & _BEYOND_FIELDS:
        return Kind.JSON
    if "enum" in schema:
        return Kind.CHOICE if _are_choices(schema["enum"]) else Kind.JSON
    match schema.get("type"):
        case "object":
            return Kind.GROUP if level < MOST_LEVELS and _has_fields(schema) else Kind.JSON
        case "array":
            return Kind.ROWS if level < MOST_LEVELS and _has_rows(schema, level) else Kind.JSON
        case "string":
            return Kind.TIME if schema.get("format") == "time" else Kind.TEXT
        case "integer":
            return Kind.INTERVAL if unit_of(schema, inherited_unit) == "s" else Kind.WHOLE
        case "number":
            return Kind.NUMBER
        case "boolean":
            return Kind.SWITCH
        case "null":
            return Kind.NOTHING
        case _:
            return Kind.JSON


def name_below(name: str, key: str | int) -> str:
    """Return the name of the form's field for this key of an object, or this row, below another field."""
    return f"{name}.{quote(str(key), safe='').replace('.', '%2E')}"


def is_required(schema: Mapping[str, Any], key: str) -> bool:
    """Return whether this property has to be there."""
    required = schema.get("required")
    return isinstance(required, list) and key in required


def properties_of(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schemas of an object's properties."""
    return dict(schema["properties"])


def label_of(schema: Any, key: str) -> str:
    """Return the title of a field, or words made of its key."""
    title = schema.get("title") if isinstance(schema, dict) else None
    return translated(title) if isinstance(title, str) and title.strip() else words_of(key)


def hint_of(schema: Any) -> str:
    """Return the description of a field, or an empty text."""
    description = schema.get("description") if isinstance(schema, dict) else None
    return translated(description) if isinstance(description, str) else ""


def unit_of(schema: Any, inherited: str = "") -> str:
    """Return the unit that the description names; one without a description has that of its group."""
    description = schema.get("description") if isinstance(schema, dict) else None
    if not isinstance(description, str):
        return inherited
    found = _UNIT_AT_START.match(description) or _UNIT_AFTER_IN.search(description)
    return _UNITS[found[1].lower()] if found else ""


def words_of(key: str) -> str:
    """Return a key of JSON as words, those of built-in schemas translated: `farRed` becomes `Far red`."""
    return translated(english_words_of(key))


def english_words_of(key: str) -> str:
    """Return a key of JSON as words that are not translated."""
    words = _WORD.findall(key)
    text = " ".join(word if word.isupper() else word.lower() for word in words) or key
    return text[:1].upper() + text[1:]


def translated(text: str) -> str:
    """Return a text of a definition in the reader's language, if it is one of ours."""
    return gettext(text) if text else ""


def _are_choices(values: Any) -> bool:
    return isinstance(values, list) and bool(values) and not any(isinstance(v, dict | list) for v in values)


def _has_fields(schema: Mapping[str, Any]) -> bool:
    return isinstance(schema.get("properties"), dict)


def _has_rows(schema: Mapping[str, Any], level: int) -> bool:
    items = schema.get("items")
    kind = kind_of(items, level=level + 1)
    if kind is Kind.GROUP and isinstance(items, dict):
        # Rows inside of rows would need buttons that nobody finds their way through.
        return all(
            kind_of(part, level=level + 2) not in {Kind.GROUP, Kind.ROWS, Kind.JSON}
            for part in properties_of(items).values()
        )
    return kind not in {Kind.ROWS, Kind.JSON, Kind.NOTHING, Kind.SWITCH}
