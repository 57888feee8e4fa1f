"""A recipe as a JSON document: what is written, hashed and compared. Pure.

What is not set is left out, so that two recipes are equal if and only if their documents are.
"""

from __future__ import annotations

from typing import Any

from hortus.domain.recipes.document import (
    FORMAT,
    AfterDays,
    AfterDegreeDays,
    Aim,
    Band,
    ChangeAt,
    DegreeDays,
    Environment,
    Phase,
    PhaseEnd,
    Photoperiod,
    Recipe,
)
from hortus.domain.recipes.quantities import Place, Quantity

Document = dict[str, Any]


def document_of(recipe: Recipe) -> Document:
    """Return a recipe as a JSON document with the keys of its file, in the order in which they are written."""
    return _set(
        format=FORMAT,
        name=recipe.name,
        species=recipe.species,
        cultivar=recipe.cultivar,
        authors=list(recipe.authors) or None,
        licence=recipe.licence,
        notes=recipe.notes,
        gdd=_degree_days(recipe.degree_days) if recipe.degree_days else None,
        phases=[phase_document(phase) for phase in recipe.phases],
    )


def phase_document(phase: Phase) -> Document:
    """Return a phase as a JSON document."""
    return _set(
        name=phase.name,
        ends=_end(phase.ends),
        photoperiod=_photoperiod(phase.photoperiod) if phase.photoperiod else None,
        **{str(place): _environment(phase.environment(place)) or None for place in Place},
    )


def _degree_days(degree_days: DegreeDays) -> Document:
    return _set(
        base=_number(degree_days.base), upper=_number(degree_days.upper), method=str(degree_days.method)
    )


def _end(end: PhaseEnd) -> Document:
    if isinstance(end, AfterDays):
        return _set(days=end.days, at=_at(end.at))
    if isinstance(end, AfterDegreeDays):
        return _set(gdd=_number(end.degree_days), minDays=end.min_days, maxDays=end.max_days, at=_at(end.at))
    return {"byHand": True}


def _at(at: ChangeAt) -> str | None:
    return None if at is ChangeAt.MIDNIGHT else str(at)


def _photoperiod(photoperiod: Photoperiod) -> Document:
    start = photoperiod.start
    # `from` is a keyword of Python.
    return _set(hours=_number(photoperiod.hours), **{"from": None if start is None else f"{start:%H:%M}"})


def _environment(environment: Environment) -> Document:
    return {str(quantity): _aim(environment[quantity]) for quantity in Quantity if quantity in environment}


def _aim(aim: Aim) -> Document:
    return _set(target=_number(aim.target), band=None if aim.band is None else _band(aim.band))


def _band(band: Band) -> list[float | None]:
    return [_number(band.minimum), _number(band.maximum)]


def _number(value: float | None) -> float | None:
    # 24.0 and 24 are the same number, and so must look the same; -0.0 becomes 0.
    return value if value is None or value != int(value) else int(value)


def _set(**members: Any) -> Document:
    return {key: value for key, value in members.items() if value is not None}
