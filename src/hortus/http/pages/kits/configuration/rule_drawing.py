"""Targets and outputs over a day as small drawings. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hortus.domain.kits.control_rules import is_number
from hortus.domain.kits.rule_evaluation import DAY_SECONDS, second_of_day, value_at
from hortus.http.pages.schema_forms.texts import number_text

WIDTH, HEIGHT = 480, 96
_TOP, _BOTTOM = 8.0, 88.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A line over a day: points of an SVG polyline, and the values at the top and the bottom."""

    points: str
    highest: str
    lowest: str


def curve_of_target(settings: Mapping[str, Any]) -> Curve | None:
    """Return the curve of a target or a schedule, with its steps or slopes."""
    entries, interpolated = settings["setpoints"], settings["interpolated"]
    return curve_of_entries(entries, interpolated=interpolated)


def curve_of_entries(entries: Sequence[Mapping[str, Any]], *, interpolated: bool) -> Curve | None:
    """Return the curve of these times and values; None if they are no numbers."""
    times = {0, DAY_SECONDS - 1}
    for entry in entries:
        second = second_of_day(entry["time"])
        times |= {second, max(0, second - 1)}
    return _curve((second, value_at(entries, second, interpolated=interpolated)) for second in sorted(times))


def curve_of_values(values: Iterable[tuple[int, Any]]) -> Curve | None:
    """Return the curve of values that each hold until the next one."""
    stepped: list[tuple[int, Any]] = []
    for second, value in values:
        if stepped and stepped[-1][1] != value:
            stepped.append((second, stepped[-1][1]))
        stepped.append((second, value))
    if stepped:
        stepped.append((DAY_SECONDS, stepped[-1][1]))
    return _curve(stepped)


def _curve(values: Iterable[tuple[int, Any]]) -> Curve | None:
    points = [(second, float(value)) for second, value in values if is_number(value)]
    if len(points) < 2:
        return None
    lowest = min(value for _, value in points)
    highest = max(value for _, value in points)
    span = highest - lowest

    def height(value: float) -> float:
        return _BOTTOM - (value - lowest) / span * (_BOTTOM - _TOP) if span else HEIGHT / 2

    drawn = ((second / DAY_SECONDS * WIDTH, height(value)) for second, value in points)
    return Curve(
        points=" ".join(f"{x:.1f},{y:.1f}" for x, y in drawn),
        highest=number_text(round(highest, 1)),
        lowest=number_text(round(lowest, 1)),
    )
