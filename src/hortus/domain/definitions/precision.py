"""How precisely a quantity is shown: as plant sensors measure it, however large the value is. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection

from hortus.domain.definitions.display import display_of

_DECIMALS_OF_UNKNOWN = 2
_PLACES_OF_UNKNOWN = 3
_KEPT_DIGITS = 4
_STEPS = 200
"""A panel is as many pixels high."""
_MOST_PLACES = 300


def decimals_of(physical_quantity: str) -> int:
    """Return the number of decimals with which values of this quantity are shown."""
    display = display_of(physical_quantity)
    return _DECIMALS_OF_UNKNOWN if display is None else display.decimals


def is_known(physical_quantity: str) -> bool:
    """Return whether the precision of this quantity is known."""
    return display_of(physical_quantity) is not None


def places_for(physical_quantity: str, values: Collection[float]) -> int:
    """Return to how many places to round a column of these values: one more than is shown, or three.

    More of them where a curve of the values would otherwise have steps, and where all values are so small that
    less than four digits of the largest would remain.
    """
    places = decimals_of(physical_quantity) + 1 if is_known(physical_quantity) else _PLACES_OF_UNKNOWN
    largest = max((abs(value) for value in values), default=0.0)
    if largest == 0 or not math.isfinite(largest):
        return places
    step = (max(values) - min(values)) / _STEPS
    if 0 < step < math.inf:
        places = max(places, min(_PLACES_OF_UNKNOWN, math.ceil(-math.log10(step))))
    return min(_MOST_PLACES, max(places, _KEPT_DIGITS - 1 - math.floor(math.log10(largest))))
