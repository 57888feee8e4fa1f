"""Reads the phases of a recipe's file, with a fault for each rule that one breaks. Pure."""

from __future__ import annotations

import re
from datetime import time

from hortus.domain.recipes.document import (
    AfterDays,
    AfterDegreeDays,
    ByHand,
    ChangeAt,
    Phase,
    PhaseEnd,
    Photoperiod,
)
from hortus.domain.recipes.fields import Field
from hortus.domain.recipes.quantities import Place
from hortus.domain.recipes.reading_environments import read_environments

MOST_PHASES = 60
MOST_DAYS = 730
MOST_DEGREE_DAYS = 10_000
MOST_NAME_CHARACTERS = 64

_KEYS = ("name", "ends", "photoperiod", *Place)
_WAYS_TO_END = ("days", "gdd", "byHand")
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


def read_phases(field: Field, *, counts_degree_days: bool) -> tuple[Phase, ...]:
    """Return the phases; `counts_degree_days`: the recipe says how degree days are counted."""
    entries = field.entries(MOST_PHASES)
    if not entries:
        field.refuse("A recipe needs at least one phase.")
    names: set[str] = set()
    return tuple(_phase(entry, names, counts_degree_days) for entry in entries)


def _phase(field: Field, names: set[str], counts_degree_days: bool) -> Phase:
    members = field.members(_KEYS)
    photoperiod = _photoperiod(members["photoperiod"]) if "photoperiod" in members else None
    environments = read_environments(members, photoperiod)
    return Phase(
        name=_name(field, members, names),
        ends=_end(field, members, counts_degree_days),
        photoperiod=photoperiod,
        light=environments[Place.LIGHT],
        dark=environments[Place.DARK],
        day=environments[Place.DAY],
    )


def _name(field: Field, members: dict[str, Field], names: set[str]) -> str:
    if "name" not in members:
        field.refuse("The phase has no name. Add `name:`.")
        return ""
    name = members["name"].text(MOST_NAME_CHARACTERS)
    if name and name in names:
        members["name"].refuse("Another phase has this name. Choose a different one.")
    names.add(name)
    return name


def _end(phase: Field, phase_members: dict[str, Field], counts_degree_days: bool) -> PhaseEnd:
    if "ends" not in phase_members:
        phase.refuse("The phase does not say how it ends. Add `ends:` with days, gdd or byHand.")
        return ByHand()
    field = phase_members["ends"]
    members = field.members((*_WAYS_TO_END, "minDays", "maxDays", "at"))
    if len(members.keys() & set(_WAYS_TO_END)) != 1:
        field.refuse("Write exactly one of days, gdd and byHand.")
        return ByHand()
    _refuse_what_has_no_effect(members)
    at = _change_at(members, phase_members)
    if "gdd" in members:
        return _after_degree_days(members, at, counts_degree_days)
    if "days" in members:
        return AfterDays(days=members["days"].whole(1, MOST_DAYS) or 1, at=at)
    members["byHand"].require_true()
    return ByHand()


def _refuse_what_has_no_effect(members: dict[str, Field]) -> None:
    for key in ("minDays", "maxDays"):
        if key in members and "gdd" not in members:
            members[key].refuse("It counts only if the phase ends by gdd. Remove it.")
    if "at" in members and "byHand" in members:
        members["at"].refuse("A phase that ends by hand ends at once. Remove it.")


def _change_at(members: dict[str, Field], phase_members: dict[str, Field]) -> ChangeAt:
    if "at" not in members:
        return ChangeAt.MIDNIGHT
    at = members["at"].choice(ChangeAt, ChangeAt.MIDNIGHT)
    if at is ChangeAt.LIGHTS_ON and not _has_start(phase_members):
        members["at"].refuse("The phase does not say when its light goes on. Add photoperiod.from.")
    return at


def _has_start(phase_members: dict[str, Field]) -> bool:
    photoperiod = phase_members.get("photoperiod")
    return photoperiod is not None and photoperiod.has("from")


def _after_degree_days(members: dict[str, Field], at: ChangeAt, counts_degree_days: bool) -> PhaseEnd:
    gdd = members["gdd"]
    if not counts_degree_days:
        gdd.refuse("The recipe does not say how degree days are counted. Add `gdd:` beside `phases:`.")
    min_days, max_days = (
        members[key].whole(1, MOST_DAYS) if key in members else None for key in ("minDays", "maxDays")
    )
    if min_days is not None and max_days is not None and min_days > max_days:
        members["minDays"].refuse("minDays is above maxDays. Lower it, or raise maxDays.")
    degree_days = gdd.number(1, MOST_DEGREE_DAYS, "°C d")
    return AfterDegreeDays(degree_days=degree_days or 1, min_days=min_days, max_days=max_days, at=at)


def _photoperiod(field: Field) -> Photoperiod | None:
    members = field.members(("hours", "from"))
    start = _clock(members["from"]) if "from" in members else None
    if "hours" not in members:
        field.refuse("The photoperiod has no hours. Add `hours:`.")
        return None
    hours = members["hours"].number(0, 24, "hours")
    if hours is None:
        return None
    if 0 < hours < 24 and "from" not in members:
        field.refuse('The photoperiod does not say when the light goes on. Add a time such as `from: "06:00"`.')
    return Photoperiod(hours=hours, start=start)


def _clock(field: Field) -> time | None:
    value = field.node.value
    if not isinstance(value, str) or not _CLOCK.fullmatch(value):
        field.refuse('Write a time of day from "00:00" to "23:59", in quotes.')
        return None
    return time.fromisoformat(value)
