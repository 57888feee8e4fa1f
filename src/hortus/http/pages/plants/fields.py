"""Reading what people enter about plants and species: names, numbers, ranges. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from hortus.base.language.translation import gettext
from hortus.base.text import fault_of_line, fault_of_lines, fault_of_name
from hortus.domain.plants.rules import InvalidPlant
from hortus.domain.plants.state import Range
from hortus.http.pages.forms import Form

_MOST_NUMBER_CHARACTERS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeEntry:
    """The fields of a range as they were entered."""

    minimum: str = ""
    maximum: str = ""


def text_of(form: Form, name: str, *, most: int, is_name: bool = False, lines: bool = False) -> str:
    """Return a text of the form, and note what is wrong with it."""
    text = form.value(name).replace("\r\n", "\n")
    if is_name and not text:
        form.refuse(name, gettext("Enter a name."))
    elif len(text) > most:
        form.refuse(name, gettext("Use at most %(most)s characters.", most=most))
    else:
        fault = fault_of_name if is_name else fault_of_lines if lines else fault_of_line
        if text and fault(text) is not None:
            form.refuse(name, gettext("This text has characters that cannot be shown. Type it again."))
    return text


def number_of(form: Form, name: str) -> float | None:
    """Return a number, with comma or dot, None for an empty field; note what is wrong with it."""
    text = form.value(name).replace(",", ".").replace("−", "-")
    if not text:
        return None
    try:
        value = float(text) if len(text) <= _MOST_NUMBER_CHARACTERS else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        form.refuse(name, gettext("Enter a number, for example 18.5."))
        return None
    return value


def range_of(form: Form, key: str) -> Range:
    """Return the range in the fields `min-…` and `max-…`, and note what is wrong with it."""
    low, high = number_of(form, f"min-{key}"), number_of(form, f"max-{key}")
    if low is not None and high is not None and low > high:
        form.refuse(f"min-{key}", gettext("The lower bound is above the upper one."))
        return Range()
    return Range(minimum=low, maximum=high)


def refuse_all(form: Form, error: InvalidPlant, fields: Mapping[str, str]) -> None:
    """Note the faults that the rules of the domain found, at the fields of the page."""
    for broken in error.broken_rules:
        form.refuse(fields.get(broken.field, next(iter(fields.values()))), gettext(broken.message))
