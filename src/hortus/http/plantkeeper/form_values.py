"""Numbers and references in bodies. Clients send them as JSON has them, or as text from the fields of a form.

A text may have spaces around it, and an empty one is null. Decimals follow a point: `1,500` is refused, because
one client means 1.5 by it and another 1500.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from hortus.http.conventions.parameters import LARGEST_ID, SMALLEST_ID

_NUMBER = re.compile(r"[+-]?([0-9]{1,20}(\.[0-9]{0,20})?|\.[0-9]{1,20})([eE][+-]?[0-9]{1,3})?", re.ASCII)
_A_NUMBER = "a number is expected, such as 21.5, with a point"
_A_WHOLE_NUMBER = "a whole number is expected, such as 40"
_AN_ID = 'an id is expected, such as 2 or {"id": 2}'


def _number(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = value.strip()
    if not _NUMBER.fullmatch(text):
        raise ValueError(_A_NUMBER)
    return float(text)


def _whole(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = value.strip()
    if not _NUMBER.fullmatch(text) or not float(text).is_integer():
        raise ValueError(_A_WHOLE_NUMBER)
    return int(float(text))


def _id_in(value: Any) -> Any:
    """Return the id in a whole row such as `{"id": 2, "name": "pot"}`, or the value itself."""
    if not isinstance(value, dict):
        return value
    if "id" not in value or isinstance(value["id"], dict):
        raise ValueError(_AN_ID)
    return value["id"]


def empty_as_null(value: Any) -> Any:
    """Return None for a text without any characters but spaces, else the value."""
    return None if isinstance(value, str) and not value.strip() else value


def _reference(value: Any) -> Any:
    return empty_as_null(_id_in(value))


_TEXT = {"type": "string", "pattern": r"^-?[0-9]{1,9}$"}
_INTEGER = {"type": "integer", "minimum": SMALLEST_ID, "maximum": LARGEST_ID}
_ID_SCHEMAS = [_INTEGER, _TEXT]
_OBJECT = {"type": "object", "required": ["id"], "properties": {"id": {"anyOf": _ID_SCHEMAS}}}

Number = Annotated[
    float,
    Field(allow_inf_nan=False, strict=True),
    BeforeValidator(_number),
    WithJsonSchema({"anyOf": [{"type": "number"}, _TEXT]}),
]
Whole = Annotated[
    int,
    Field(ge=SMALLEST_ID, le=LARGEST_ID, strict=True),
    BeforeValidator(_whole),
    WithJsonSchema({"anyOf": _ID_SCHEMAS}),
]
RoundedLater = Annotated[
    float,
    Field(ge=SMALLEST_ID, le=LARGEST_ID, strict=True),
    BeforeValidator(_number),
    WithJsonSchema({"anyOf": [{"type": "number", "minimum": SMALLEST_ID, "maximum": LARGEST_ID}, _TEXT]}),
]
"""A value that the original stores as an integer; fractions are accepted and kept."""

OptionalNumber = Annotated[Number | None, BeforeValidator(empty_as_null)]
OptionalWhole = Annotated[Whole | None, BeforeValidator(empty_as_null)]
OptionalRoundedLater = Annotated[RoundedLater | None, BeforeValidator(empty_as_null)]

Id = Whole
OptionalId = OptionalWhole

Reference = Annotated[
    Id | None,
    BeforeValidator(_reference),
    WithJsonSchema({"anyOf": [_OBJECT, *_ID_SCHEMAS, {"type": "null"}]}),
]
"""Another row, by its id or as an object with its id; null for none."""
