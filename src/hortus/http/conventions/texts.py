"""What the texts in a body may hold (hortus.base.text), said where the body's model names them.

A text is one line, unless its field says otherwise. So a new field is safe before anybody thinks of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, get_args

from pydantic import BaseModel

from hortus.base.text import fault_of_line, fault_of_lines, fault_of_name
from hortus.http.conventions.problems import OTHER, Reason, invalid_parameters

Fault = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class TextRule:
    """How a text field is judged; goes into `Annotated`."""

    fault: Fault


NAME = TextRule(fault_of_name)
"""The name of a thing: one line, with something to be seen."""

LINES = TextRule(fault_of_lines)
"""A text in which people write several lines."""

ANY_TEXT = TextRule(lambda _text: None)
"""A secret, a text with stricter rules of its own, or one that is only compared with what is there."""


def require_clean(document: BaseModel) -> None:
    """Raise Problem 400 that names each text of the document that holds what it may not."""
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
    """Yield what is noted at the parts of a type: `Annotated[str, NAME] | None` has its rule inside."""
    yield from getattr(annotation, "__metadata__", ())
    for part in get_args(annotation):
        yield from _annotated(part)
