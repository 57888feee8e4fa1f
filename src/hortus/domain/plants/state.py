"""The state of a plant: its latest readings, judged by its target ranges. Pure.

    ranges_of_plant(species', plant's own)  ->  quantity type: range
    judge(range, latest reading, now)       ->  ok, low, high, or no data
    worst(conditions)                       ->  the condition of the plant

A quantity is judged if it has a range and something measures it. A quantity that no linked kit can measure does
not affect the plant's condition; one that should be measured but was not measured lately has "no data".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

DEFAULT_FRESHNESS = timedelta(hours=1)
"""Readings older than this say nothing about a plant's present state."""


class Condition(StrEnum):
    """The condition of a quantity, or of a plant: that of its worst quantity."""

    OK = "ok"
    NO_DATA = "noData"
    LOW = "low"
    HIGH = "high"


_SEVERITY = {Condition.OK: 0, Condition.NO_DATA: 1, Condition.LOW: 2, Condition.HIGH: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """The target range of a quantity, in its unit, both bounds included; None: no bound."""

    minimum: float | None = None
    maximum: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether the range has no bounds, so that nothing can be judged by it."""
        return self.minimum is None and self.maximum is None

    def condition_of(self, value: float) -> Condition:
        """Return whether a value is low, high or in range."""
        if self.minimum is not None and value < self.minimum:
            return Condition.LOW
        if self.maximum is not None and value > self.maximum:
            return Condition.HIGH
        return Condition.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A measured value with its time (the kit's clock)."""

    value: float
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantityState:
    """One quantity of a plant. `condition` is None if it is not judged: no range, or nothing measures it.

    `reading` is the latest reading, however old; None if there has been none.
    """

    quantity_type_id: int
    condition: Condition | None
    range: Range | None
    reading: Reading | None


def ranges_of_plant(species: Mapping[int, Range], own: Mapping[int, Range]) -> dict[int, Range]:
    """Return the ranges by quantity type: the plant's own where it has one, else its species'.

    An own range without bounds disables the species' range.
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
    """Return the state of each quantity that has a range or is measured, ordered by quantity type.

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
    """Return the condition of a plant: the worst one. Low and high weigh the same; the first of them counts.

    If nothing is judged, the plant has no data.
    """
    judged = [each for each in conditions if each is not None]
    return max(judged, key=lambda each: _SEVERITY[each], default=Condition.NO_DATA)
