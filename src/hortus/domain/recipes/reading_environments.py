"""Reads what a phase wants in the light, in the dark and of the whole day, with its faults. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from hortus.domain.recipes.document import Aim, Band, Environment, Photoperiod
from hortus.domain.recipes.fields import Field
from hortus.domain.recipes.quantities import (
    MEANINGS,
    MOST_PPFD,
    MOST_PPFD_IN_THE_DARK,
    Meaning,
    Place,
    Quantity,
    quantities_of,
)

_MOST_DLI_PER_HOUR = MOST_PPFD * 3600 / 1_000_000
"""What the most light gives in an hour, in mol/m²."""


def read_environments(
    phase_members: Mapping[str, Field], photoperiod: Photoperiod | None
) -> dict[Place, Environment]:
    """Return the environments of a phase; those that are not there are empty."""
    fields = {place: _quantities(phase_members[place], place) for place in Place if place in phase_members}
    _refuse_what_is_wanted_twice(fields)
    return {
        place: {
            quantity: _aim(field, _limits(quantity, place, photoperiod))
            for quantity, field in fields.get(place, {}).items()
        }
        for place in Place
    }


def _quantities(field: Field, place: Place) -> dict[Quantity, Field]:
    elsewhere = {
        str(quantity): f"It belongs in {' or '.join(sorted(meaning.places))}. Move it there."
        for quantity, meaning in MEANINGS.items()
    }
    members = field.members(quantities_of(place), elsewhere)
    return {Quantity(key): member for key, member in members.items()}


def _refuse_what_is_wanted_twice(fields: Mapping[Place, Mapping[Quantity, Field]]) -> None:
    for quantity, field in fields.get(Place.DAY, {}).items():
        if any(quantity in fields.get(place, {}) for place in (Place.LIGHT, Place.DARK)):
            field.refuse("The phase has it in light or dark, too. Keep it in day, or in light and dark.")


def _limits(quantity: Quantity, place: Place, photoperiod: Photoperiod | None) -> Meaning:
    meaning = MEANINGS[quantity]
    maximum = meaning.maximum
    if quantity is Quantity.DLI and photoperiod is not None:
        maximum = min(maximum, photoperiod.hours * _MOST_DLI_PER_HOUR)
    if quantity is Quantity.PPFD and place is Place.DARK:
        maximum = MOST_PPFD_IN_THE_DARK
    return Meaning(meaning.unit, meaning.minimum, maximum, meaning.places)


def _aim(field: Field, limits: Meaning) -> Aim:
    members = field.members(("target", "band"))
    if not members:
        field.refuse("Write a target, a band or both, such as {target: 24, band: [22, 27]}.")
    target = (
        members["target"].number(limits.minimum, limits.maximum, limits.unit) if "target" in members else None
    )
    band = _band(members["band"], limits) if "band" in members else None
    if target is not None and band is not None and not band.contains(target):
        members["target"].refuse("The target is outside its band. Change one of them.")
    return Aim(target=target, band=band)


def _band(field: Field, limits: Meaning) -> Band | None:
    bounds = field.entries(2)
    if len(bounds) != 2:
        field.refuse("Write two bounds, such as [22, 27]; null instead of one that there is not.")
        return None
    minimum, maximum = (
        None if bound.is_null else bound.number(limits.minimum, limits.maximum, limits.unit) for bound in bounds
    )
    if minimum is not None and maximum is not None and minimum > maximum:
        field.refuse("The lower bound is above the upper one. Swap or change them.")
    return Band(minimum=minimum, maximum=maximum)
