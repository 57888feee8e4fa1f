"""A recipe as values. Pure.

These are what `reading.read_recipe` returns after checking them; code that changes a recipe writes it out and
reads it again to have the result checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time
from enum import StrEnum

from hortus.domain.recipes.quantities import Place, Quantity

FORMAT = "hortus-recipe/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """The range in which a quantity should stay, both bounds included; None: no bound.

    A band without bounds turns off what the species or the plant says about the quantity.
    """

    minimum: float | None = None
    maximum: float | None = None

    def contains(self, value: float) -> bool:
        """Return whether a value lies in the band."""
        return (self.minimum is None or value >= self.minimum) and (
            self.maximum is None or value <= self.maximum
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """What a phase wants of a quantity, in its unit: a target to draw, a band to judge by, or both."""

    target: float | None = None
    band: Band | None = None


Environment = Mapping[Quantity, Aim]


@dataclass(frozen=True, slots=True, kw_only=True)
class Photoperiod:
    """The hours of light of each day, and when the light goes on, by the clock of the kit's place.

    `start` may be None only if the light never changes: 0 or 24 hours.
    """

    hours: float
    start: time | None = None


class ChangeAt(StrEnum):
    """When, on the day that a phase ends by itself, the next one begins."""

    MIDNIGHT = "midnight"
    LIGHTS_ON = "lightsOn"


@dataclass(frozen=True, slots=True, kw_only=True)
class AfterDays:
    """The phase ends after so many local midnights."""

    days: int
    at: ChangeAt = ChangeAt.MIDNIGHT


@dataclass(frozen=True, slots=True, kw_only=True)
class AfterDegreeDays:
    """The phase ends when its days have summed up to `degree_days` (°C d), but not before `min_days`.

    After `max_days` without that sum, a person is asked.
    """

    degree_days: float
    min_days: int | None = None
    max_days: int | None = None
    at: ChangeAt = ChangeAt.MIDNIGHT


@dataclass(frozen=True, slots=True)
class ByHand:
    """The phase ends when a person says so."""


PhaseEnd = AfterDays | AfterDegreeDays | ByHand


class DegreeDayMethod(StrEnum):
    """How the degree days of a local day are computed: from its hours, or from its minimum and maximum."""

    HOURLY = "hourly"
    MEAN = "mean"
    CLIP = "clip"
    TRIANGLE = "triangle"
    SINE = "sine"


@dataclass(frozen=True, slots=True, kw_only=True)
class DegreeDays:
    """How degree days are counted: from `base` up to `upper` (°C); None: all warmth counts."""

    base: float
    upper: float | None = None
    method: DegreeDayMethod = DegreeDayMethod.HOURLY


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A phase: how it ends, and what it wants in the light, in the dark and of the whole local day."""

    name: str
    ends: PhaseEnd
    photoperiod: Photoperiod | None = None
    light: Environment = field(default_factory=dict)
    dark: Environment = field(default_factory=dict)
    day: Environment = field(default_factory=dict)

    def environment(self, place: Place) -> Environment:
        """Return one of the three environments."""
        return {Place.LIGHT: self.light, Place.DARK: self.dark, Place.DAY: self.day}[place]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A recipe. The names of its phases are unique, and identify phases across revisions."""

    name: str
    phases: tuple[Phase, ...]
    species: str | None = None
    cultivar: str | None = None
    authors: tuple[str, ...] = ()
    licence: str | None = None
    notes: str | None = None
    degree_days: DegreeDays | None = None

    def phase(self, name: str) -> Phase | None:
        """Return the phase of this name, or None."""
        return next((phase for phase in self.phases if phase.name == name), None)

    def phase_after(self, name: str) -> Phase | None:
        """Return the phase that follows the one of this name; None after the last one."""
        names = [phase.name for phase in self.phases]
        following = names.index(name) + 1
        return self.phases[following] if following < len(names) else None
