"""Limits for the values in a peripheral's configuration, beyond its definition's schema. Pure.

A schema defines the types of values; the built-in ones hardly limit their size, and a custom definition may
not limit it at all. A kit accepts any number (kit-mqtt 4.4 to 4.6): it would measure without a pause, wait for
years, or crash at a pin that no board has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from hortus.domain.kits.schemas import SchemaFault

MOST_BYTES = 64 * 1024
"""For a peripheral's configuration as JSON. A camera's schedule with an entry for every minute fits."""

MOST_VALUES = 5_000
"""In a configuration, on all levels. Checking one value against its schema takes tens of microseconds."""

MOST_BYTES_IN_ALL = 256 * 1024
"""For the configurations of all peripherals that a kit runs together."""

LARGEST_FIGURE = 2**31 - 1

_Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class _Bounds:
    least: int
    most: int
    unit: str
    whole: bool = False

    def fault_of(self, value: Any) -> str | None:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and self.least <= value <= self.most and not (self.whole and value != int(value)):
            return None
        return (
            f"a {'whole ' if self.whole else ''}number{self.unit} from {self.least} to {self.most} is expected"
        )


_INTERVALS = {
    "measurementInterval": _Bounds(1, 86_400, " of seconds"),
    "aggregateInterval": _Bounds(1, 7 * 86_400, " of seconds"),
}
_PINS = _Bounds(0, 1023, "", whole=True)


def fault_of_figures(configuration: Any) -> str | None:
    """Return the first value in a configuration that is out of bounds for a kit as a sentence, or None."""
    fault = figure_out_of_bounds(configuration)
    return fault.sentence if fault is not None else None


def figure_out_of_bounds(configuration: Any) -> SchemaFault | None:
    """Return the first value in a configuration that is out of bounds for a kit, or None."""
    if bytes_of(configuration) > MOST_BYTES:
        return SchemaFault(message=f"It has more than {MOST_BYTES} bytes as JSON.")
    for number, (path, value) in enumerate(_values(configuration)):
        if number >= MOST_VALUES:
            return SchemaFault(message=f"It holds more than {MOST_VALUES} values.")
        message = _fault_of_value(path, value)
        if message is not None:
            return SchemaFault(place=path, message=f"{message}.")
    return None


def bytes_of(configuration: Any) -> int:
    """Return the size of a configuration as JSON, in bytes."""
    return len(orjson.dumps(configuration))


def _fault_of_value(path: _Path, value: Any) -> str | None:
    name = next((part for part in reversed(path) if isinstance(part, str)), "")
    if name in _INTERVALS and path[-1] == name:
        return _INTERVALS[name].fault_of(value)
    if name.startswith("gpioAddress") and value is not None and not isinstance(value, list):
        return _PINS.fault_of(value)
    if isinstance(value, int | float) and abs(value) > LARGEST_FIGURE:
        return f"The number is too large; the limit is {LARGEST_FIGURE}"
    return None


def _values(configuration: Any) -> Iterator[tuple[_Path, Any]]:
    """Yield every value with the path of keys that leads to it, breadth first."""
    level: list[tuple[_Path, Any]] = [((), configuration)]
    while level:
        yield from level
        level = [((*path, key), part) for path, value in level for key, part in _parts(value)]


def _parts(value: Any) -> Iterator[tuple[str | int, Any]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from enumerate(value)
