"""Rules for the texts in a body (hortus.base.text), declared in the body's model.

A text is one line unless its field says otherwise, so new fields are safe by default.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, get_args

from pydantic import BaseModel, Field

from hortus.base.language.appearance import fault_of_language
from hortus.base.text import fault_of_line, fault_of_lines, fault_of_name
from hortus.base.time_zones import MOST_ZONE_CHARACTERS, fault_of_time_zone
from hortus.http.conventions.problems import OTHER, Reason, invalid_parameters

Fault = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class TextRule:
    """The rule of a text field; used in `Annotated`."""

    fault: Fault


NAME = TextRule(fault_of_name)
"""The name of a thing: one line with at least one visible character."""

LINES = TextRule(fault_of_lines)
"""A text of several lines."""

ZONE = TextRule(fault_of_time_zone)
"""The IANA name of a time zone."""

LANGUAGE = TextRule(fault_of_language)
"""The tag of a language of the pages, or an empty text for none of one's own."""

ANY_TEXT = TextRule(lambda _text: None)
"""A secret, a text with stricter rules of its own, or one that is only compared with stored values."""


TimeZoneText = Annotated[
    str | None,
    Field(
        description="The IANA name of a time zone.",
        json_schema_extra={"maxLength": MOST_ZONE_CHARACTERS, "examples": ["Europe/Amsterdam"]},
    ),
    ZONE,
]
"""A field that holds a time zone."""


def require_clean(document: BaseModel) -> None:
    """Raise Problem 400 that names each text of the document with forbidden characters."""
    reasons: dict[str, list[Reason]] = {}
    explanations = []
    for name, parameter, fault in _rules_of(type(document)):
        text = getattr(document, name)
        explanation = fault(text) if isinstance(text, str) else None
        if explanation is not None:
            reasons[parameter] = [OTHER]
            explanations.append(f"{parameter}: {explanation}.")
    if reasons:
        raise invalid_parameters(reasons, " ".join(explanations))


@lru_cache(maxsize=256)
def _rules_of(model: type[BaseModel]) -> tuple[tuple[str, str, Fault], ...]:
    rules = []
    for name, field in model.model_fields.items():
        given = [*field.metadata, *_annotated(field.annotation)]
        rule = next((each for each in given if isinstance(each, TextRule)), None)
        rules.append((name, field.alias or name, rule.fault if rule else fault_of_line))
    return tuple(rules)


def _annotated(annotation: Any) -> Iterator[Any]:
    """Yield the annotations of a type and its parts: in `Annotated[str, NAME] | None` the rule is inside."""
    yield from getattr(annotation, "__metadata__", ())
    for part in get_args(annotation):
        yield from _annotated(part)
