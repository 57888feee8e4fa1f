"""Strategies: any valid recipe."""

from __future__ import annotations

from datetime import time

from hypothesis import strategies as st

from hortus.base.text import fault_of_name
from hortus.domain.recipes.document import (
    AfterDays,
    AfterDegreeDays,
    Aim,
    Band,
    ByHand,
    ChangeAt,
    DegreeDayMethod,
    DegreeDays,
    Environment,
    Phase,
    PhaseEnd,
    Photoperiod,
    Recipe,
)
from hortus.domain.recipes.quantities import MEANINGS, Place, Quantity, quantities_of

CHARACTERS = st.characters(
    exclude_categories=["Cs", "Cc", "Zl", "Zp"],
    exclude_characters="\ufffe\uffff\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
)
WORDS = st.sampled_from(["no", "null", "~", "16:00", "12", "- a", "a: b", "#", "*a", "&a", "<<", "1e3", "é"])
NAMES = WORDS | st.text(CHARACTERS, min_size=1, max_size=20).filter(lambda text: not fault_of_name(text))
NOTES = st.text(CHARACTERS | st.sampled_from("\n\r\t #:-'\""), min_size=1, max_size=40)
TIMES = st.times().map(lambda clock: time(clock.hour, clock.minute))


def numbers(minimum: float, maximum: float) -> st.SearchStrategy[float]:
    return st.integers(round(minimum * 10_000), round(maximum * 10_000)).map(lambda number: number / 10_000)


@st.composite
def aims(draw: st.DrawFn, minimum: float, maximum: float) -> Aim:
    low, target, high = sorted(draw(st.tuples(*[numbers(minimum, maximum)] * 3)))
    bounds = [draw(st.sampled_from([None, bound])) for bound in (low, high)]
    return draw(
        st.sampled_from(
            [
                Aim(target=target),
                Aim(band=Band(minimum=bounds[0], maximum=bounds[1])),
                Aim(target=target, band=Band(minimum=bounds[0], maximum=bounds[1])),
            ]
        )
    )


@st.composite
def environments(draw: st.DrawFn, place: Place, hours: float, taken: frozenset[Quantity]) -> Environment:
    wanted = draw(st.lists(st.sampled_from(quantities_of(place)), unique=True, max_size=3))
    environment = {}
    for quantity in wanted:
        maximum = MEANINGS[quantity].maximum
        if quantity is Quantity.DLI:
            maximum = min(maximum, int(9 * hours))
        if quantity is Quantity.PPFD and place is Place.DARK:
            maximum = 5
        if quantity not in taken:
            environment[quantity] = draw(aims(MEANINGS[quantity].minimum, maximum))
    return environment


@st.composite
def ends(draw: st.DrawFn, *, counts: bool, has_start: bool) -> PhaseEnd:
    at = draw(st.sampled_from(ChangeAt)) if has_start else ChangeAt.MIDNIGHT
    kinds = ["days", "byHand", *(["gdd"] if counts else [])]
    kind = draw(st.sampled_from(kinds))
    if kind == "byHand":
        return ByHand()
    if kind == "days":
        return AfterDays(days=draw(st.integers(1, 60)), at=at)
    low, high = sorted(draw(st.tuples(st.integers(1, 30), st.integers(1, 60))))
    return AfterDegreeDays(
        degree_days=draw(numbers(1, 400)),
        min_days=draw(st.sampled_from([None, low])),
        max_days=draw(st.sampled_from([None, high])),
        at=at,
    )


@st.composite
def phases(draw: st.DrawFn, name: str, *, counts: bool) -> Phase:
    start = draw(TIMES)
    photoperiod = draw(
        st.none()
        | st.sampled_from([Photoperiod(hours=0), Photoperiod(hours=24)])
        | numbers(0, 24).map(lambda hours: Photoperiod(hours=hours, start=start))
    )
    light = draw(environments(Place.LIGHT, 24, frozenset()))
    dark = draw(environments(Place.DARK, 24, frozenset()))
    hours = photoperiod.hours if photoperiod else 24
    return Phase(
        name=name,
        ends=draw(ends(counts=counts, has_start=photoperiod is not None and photoperiod.start is not None)),
        photoperiod=photoperiod,
        light=light,
        dark=dark,
        day=draw(environments(Place.DAY, hours, frozenset(light.keys() | dark.keys()))),
    )


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    degree_days = draw(
        st.none()
        | st.builds(
            DegreeDays,
            base=numbers(-5, 20),
            upper=st.none() | numbers(20.0001, 60),
            method=st.sampled_from(DegreeDayMethod),
        )
    )
    phase_names = draw(st.lists(NAMES, unique=True, min_size=1, max_size=3))
    return Recipe(
        name=draw(NAMES),
        species=draw(st.none() | NAMES),
        cultivar=draw(st.none() | NAMES),
        authors=tuple(draw(st.lists(NAMES, max_size=3))),
        licence=draw(st.none() | NAMES),
        notes=draw(st.none() | NOTES),
        degree_days=degree_days,
        phases=tuple(draw(phases(name, counts=degree_days is not None)) for name in phase_names),
    )
