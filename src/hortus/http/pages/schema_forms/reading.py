"""Reading the value that people entered in a form, with what is wrong at each field. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from hortus.base.language.translation import gettext
from hortus.base.text import fault_of_lines
from hortus.domain.kits.control_rules import is_time_of_day
from hortus.http.pages.figures import in_full
from hortus.http.pages.schema_forms.kinds import (
    SECONDS_OF,
    Kind,
    is_required,
    kind_of,
    name_below,
    properties_of,
    unit_of,
)
from hortus.http.pages.schema_forms.texts import COUNT, UNIT, choice_text, row_count

_MOST_TEXT_CHARACTERS = 10_000
_NUMBER = re.compile(r"[+-]?[0-9]{1,15}([.,][0-9]{1,15})?", re.ASCII)

_ABSENT = object()


@dataclass(slots=True)
class Entered:
    """What was read: the value, as far as it could be, and faults by the name of their field, in its order."""

    value: Any = None
    faults: dict[str, str] = field(default_factory=dict)


def read_value(schema: Any, texts: Mapping[str, str], name: str, *, before: Any = None) -> Entered:
    """Return the value of a whole form. Parts of the value `before` that have no field are kept."""
    entered = Entered()
    value = _read(schema, texts, name, entered.faults, before=before, required=True)
    entered.value = None if value is _ABSENT else value
    return entered


def _read(
    schema: Any,
    texts: Mapping[str, str],
    name: str,
    faults: dict[str, str],
    *,
    before: Any,
    required: bool,
    level: int = 0,
    unit: str = "",
) -> Any:
    kind = kind_of(schema, level=level, inherited_unit=unit)
    if kind is Kind.GROUP:
        return _read_group(schema, texts, name, faults, before=before, required=required, level=level)
    if kind is Kind.ROWS:
        if not required and not row_count(texts, name):
            return _ABSENT
        return [
            _read(
                schema["items"],
                texts,
                name_below(name, index),
                faults,
                before=None,
                required=True,
                level=level + 1,
            )
            for index in range(row_count(texts, name))
        ]
    if kind is Kind.NOTHING:
        return None
    if kind is Kind.SWITCH:
        return name in texts
    return _read_one(kind, schema, texts, name, faults, required=required)


def _read_group(
    schema: Mapping[str, Any],
    texts: Mapping[str, str],
    name: str,
    faults: dict[str, str],
    *,
    before: Any,
    required: bool,
    level: int,
) -> Any:
    properties = properties_of(schema)
    given = before if isinstance(before, dict) else {}
    group = {key: value for key, value in given.items() if key not in properties}
    if not required and not group and not any(texts.get(each) for each in texts if _is_below(each, name)):
        return _ABSENT
    for key, part in properties.items():
        value = _read(
            part,
            texts,
            name_below(name, key),
            faults,
            before=given.get(key),
            required=is_required(schema, key),
            level=level + 1,
            unit=unit_of(schema),
        )
        if value is not _ABSENT:
            group[key] = value
    return group


def _is_below(each: str, name: str) -> bool:
    return each.startswith(f"{name}.") and not each.endswith((f".{UNIT}", f".{COUNT}"))


def _read_one(
    kind: Kind,
    schema: Mapping[str, Any],
    texts: Mapping[str, str],
    name: str,
    faults: dict[str, str],
    *,
    required: bool,
) -> Any:
    text = texts.get(name, "")
    stripped = text.strip()
    if not stripped:
        # Most schemas allow an empty text, and nobody wants one.
        if required:
            faults[name] = gettext("Choose one.") if kind is Kind.CHOICE else gettext("Enter a value.")
        return _ABSENT
    try:
        match kind:
            case Kind.TEXT:
                return _text(schema, text)
            case Kind.TIME:
                return _time(stripped)
            case Kind.CHOICE:
                return _choice(schema, text)
            case Kind.JSON:
                return _json(stripped)
            case Kind.INTERVAL:
                return _seconds(schema, stripped, texts.get(name_below(name, UNIT), "s"))
            case _:
                return _number(schema, stripped, whole=kind is Kind.WHOLE)
    except _NotThat as error:
        faults[name] = str(error)
        return _ABSENT


class _NotThat(ValueError):
    """The text is not what the field expects; the message says what is."""


def _text(schema: Mapping[str, Any], text: str) -> str:
    least, most = schema.get("minLength"), schema.get("maxLength")
    most = most if isinstance(most, int) else _MOST_TEXT_CHARACTERS
    fault = fault_of_lines(text)
    if fault is not None:
        raise _NotThat(f"{fault}.")
    if len(text) > most:
        raise _NotThat(gettext("Enter at most %(most)s characters.", most=most))
    if isinstance(least, int) and len(text) < least:
        raise _NotThat(gettext("Enter at least %(least)s characters.", least=least))
    return text


def _time(text: str) -> str:
    if not is_time_of_day(text):
        raise _NotThat(gettext("Enter a time of day such as 07:30, without a time zone."))
    return text if text.count(":") == 2 else f"{text}:00"


def _choice(schema: Mapping[str, Any], text: str) -> Any:
    for value in schema["enum"]:
        if choice_text(value) == text:
            return value
    raise _NotThat(gettext("Choose one of the values offered."))


def _json(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _NotThat(gettext("This is not JSON: %(fault)s.", fault=str(error))) from error


def _seconds(schema: Mapping[str, Any], text: str, unit: str) -> int:
    number = _parsed(text)
    seconds = number * SECONDS_OF.get(unit, 1) if number is not None else None
    if seconds is None or not math.isclose(seconds, round(seconds), abs_tol=1e-6):
        raise _NotThat(gettext("Enter a whole number of seconds, minutes or hours."))
    least, most = bounds_of(schema)
    if (least is not None and seconds < least) or (most is not None and seconds > most):
        raise _NotThat(_seconds_expected(least, most))
    return round(seconds)


def _number(schema: Mapping[str, Any], text: str, *, whole: bool) -> int | float:
    number = _parsed(text)
    least, most = bounds_of(schema)
    if (
        number is None
        or (whole and number != int(number))
        or (least is not None and number < least)
        or (most is not None and number > most)
    ):
        raise _NotThat(_number_expected(least, most, whole=whole))
    return int(number) if number == int(number) else number


def _parsed(text: str) -> float | None:
    # A comma is what half of the world types between whole and broken numbers.
    return (
        float(text.replace(",", ".").replace("−", "-")) if _NUMBER.fullmatch(text.replace("−", "-")) else None
    )


def bounds_of(schema: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Return the least and the largest number that a schema takes."""
    least, most = schema.get("minimum"), schema.get("maximum")
    return (
        float(least) if isinstance(least, int | float) and not isinstance(least, bool) else None,
        float(most) if isinstance(most, int | float) and not isinstance(most, bool) else None,
    )


def _number_expected(least: float | None, most: float | None, *, whole: bool) -> str:
    values = {"least": _bound(least), "most": _bound(most)}
    if whole:
        if least is not None and most is not None:
            return gettext("Enter a whole number from %(least)s to %(most)s.", **values)
        if least is not None:
            return gettext("Enter a whole number of at least %(least)s.", **values)
        if most is not None:
            return gettext("Enter a whole number of at most %(most)s.", **values)
        return gettext("Enter a whole number.")
    if least is not None and most is not None:
        return gettext("Enter a number from %(least)s to %(most)s.", **values)
    if least is not None:
        return gettext("Enter a number of at least %(least)s.", **values)
    if most is not None:
        return gettext("Enter a number of at most %(most)s.", **values)
    return gettext("Enter a number.")


def _seconds_expected(least: float | None, most: float | None) -> str:
    values = {"least": _bound(least), "most": _bound(most)}
    if least is not None and most is not None:
        return gettext("Enter from %(least)s s to %(most)s s.", **values)
    if least is not None:
        return gettext("Enter at least %(least)s s.", **values)
    return gettext("Enter at most %(most)s s.", **values)


def _bound(value: float | None) -> str:
    if value is None:
        return ""
    decimals = 0 if value == int(value) else len(f"{value:.6f}".rstrip("0").partition(".")[2])
    return in_full(value, decimals)
