"""How a plant does: what was measured last, against the ranges in which its species is well. Pure.

    ranges_of_plant(species', plant's own)  ->  quantity type: range
    judge(range, latest reading, now)       ->  ok, low, high, or no data
    worst(conditions)                       ->  the condition of the plant

A quantity is judged if there is a range for it and something that measures it. What a linked kit cannot measure
says nothing about the plant; what it should measure and has not measured lately is "no data".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

DEFAULT_FRESHNESS = timedelta(hours=1)
"""A reading that is older than this says nothing about how a plant does now."""


class Condition(StrEnum):
    """How a quantity is, or a plant by its worst quantity."""

    OK = "ok"
    NO_DATA = "noData"
    LOW = "low"
    HIGH = "high"


_SEVERITY = {Condition.OK: 0, Condition.NO_DATA: 1, Condition.LOW: 2, Condition.HIGH: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """In which values a quantity is right, in its unit. Both bounds belong to it; None is no bound."""

    minimum: float | None = None
    maximum: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is no bound at all, so that nothing can be said."""
        return self.minimum is None and self.maximum is None

    def condition_of(self, value: float) -> Condition:
        """Return whether a value is low, high or right."""
        if self.minimum is not None and value < self.minimum:
            return Condition.LOW
        if self.maximum is not None and value > self.maximum:
            return Condition.HIGH
        return Condition.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was measured, and when (the kit's clock)."""

    value: float
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantityState:
    """One quantity of a plant. `condition` is None if it is not judged: no range, or nothing measures it.

    `reading` is the latest one, however old; None if there was none yet.
    """

    quantity_type_id: int
    condition: Condition | None
    range: Range | None
    reading: Reading | None


def ranges_of_plant(species: Mapping[int, Range], own: Mapping[int, Range]) -> dict[int, Range]:
    """Return the ranges by quantity type: the plant's own where it has one, else its species'.

    An own range without bounds takes the species' away.
    """
    return {key: each for key, each in {**species, **own}.items() if not each.is_open}


def judge(range_: Range, reading: Reading | None, now: datetime, freshness: timedelta) -> Condition:
    """Return the condition of a quantity that something measures."""
    if reading is None or now - reading.at > freshness:
        return Condition.NO_DATA
    return range_.condition_of(reading.value)


def judge_plant(
    ranges: Mapping[int, Range],
    measured: Mapping[int, Reading | None],
    now: datetime,
    freshness: timedelta = DEFAULT_FRESHNESS,
) -> list[QuantityState]:
    """Return the state of each quantity that has a range or is measured, in the order of quantity types.

    `measured` has a key for each quantity that a linked kit or series measures; None before the first reading.
    """
    return [
        QuantityState(
            quantity_type_id=key,
            condition=judge(ranges[key], measured[key], now, freshness)
            if key in ranges and key in measured
            else None,
            range=ranges.get(key),
            reading=measured.get(key),
        )
        for key in sorted(ranges.keys() | measured.keys())
    ]


def worst(conditions: Iterable[Condition | None]) -> Condition:
    """Return the condition of a plant: its worst. Low and high weigh the same, and the first of them counts.

    A plant of which nothing is judged is one without data.
    """
    judged = [each for each in conditions if each is not None]
    return max(judged, key=lambda each: _SEVERITY[each], default=Condition.NO_DATA)
