"""What differs between two recipes. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hortus.domain.recipes.document import Recipe
from hortus.domain.recipes.json_form import Document, document_of, phase_document


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A value that differs: its path, and its old and new JSON value; None if it is not set.

    Phases are those of the same name in both recipes, as in `phases[growth].light.vpd.band`. A phase that only
    one of them has is one difference, with the whole phase as its value.
    """

    path: str
    old: Any
    new: Any


def differences(before: Recipe, after: Recipe) -> list[Difference]:
    """Return what differs, in the order of the file. Recipes without differences are equal."""
    return [
        *_in_documents("", _without_phases(before), _without_phases(after)),
        *_in_order(before, after),
        *_in_documents("phases", _phases(before), _phases(after)),
    ]


def _without_phases(recipe: Recipe) -> Document:
    return {key: value for key, value in document_of(recipe).items() if key != "phases"}


def _phases(recipe: Recipe) -> Document:
    return {f"[{phase.name}]": phase_document(phase) for phase in recipe.phases}


def _in_order(before: Recipe, after: Recipe) -> Iterator[Difference]:
    """Yield a difference if the phases that both recipes have follow each other differently."""
    old, new = ([phase.name for phase in recipe.phases] for recipe in (before, after))
    if [name for name in old if name in new] != [name for name in new if name in old]:
        yield Difference(path="phases", old=old, new=new)


def _in_documents(path: str, old: Document, new: Document) -> Iterator[Difference]:
    for key in dict.fromkeys([*old, *new]):
        member = f"{path}.{key}" if path and not key.startswith("[") else f"{path}{key}"
        was, becomes = old.get(key), new.get(key)
        if isinstance(was, dict) and isinstance(becomes, dict):
            yield from _in_documents(member, was, becomes)
        elif was != becomes:
            yield Difference(path=member, old=was, new=becomes)
