"""How the values of quantities are shown: decimals and the symbol of the unit. Pure.

Decimals belong to the quantity, not to the size of a value: they say what its sensors can tell apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import MappingProxyType

from hortus.base.language.translation import pgettext_noop


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantityDisplay:
    """The decimals of a quantity; small values may have others."""

    decimals: int
    decimals_below_ten: int | None = None

    def decimals_of(self, value: float) -> int:
        """Return the number of decimals for this value."""
        if self.decimals_below_ten is not None and 0 < abs(value) < 10:
            return self.decimals_below_ten
        return self.decimals


QUANTITY_DISPLAYS = {
    pgettext_noop("quantity", "Temperature"): QuantityDisplay(decimals=1),
    pgettext_noop("quantity", "Soil moisture"): QuantityDisplay(decimals=1),
    pgettext_noop("quantity", "pH"): QuantityDisplay(decimals=1),
    pgettext_noop("quantity", "Electrical conductivity"): QuantityDisplay(decimals=2),
    pgettext_noop("quantity", "Vapour pressure deficit"): QuantityDisplay(decimals=2),
    pgettext_noop("quantity", "Humidity"): QuantityDisplay(decimals=0),
    pgettext_noop("quantity", "Pressure"): QuantityDisplay(decimals=0),
    pgettext_noop("quantity", "Concentration"): QuantityDisplay(decimals=0),
    pgettext_noop("quantity", "Light intensity"): QuantityDisplay(decimals=0, decimals_below_ten=1),
    pgettext_noop("quantity", "Light level"): QuantityDisplay(decimals=0, decimals_below_ten=1),
}
"""By the English name, which is also how quantity types are stored. Types of others have no entry."""

# Those that people defined, while a page is answered. Most functions that show values know only the name.
_OWN: ContextVar[Mapping[str, QuantityDisplay]] = ContextVar("own displays", default=MappingProxyType({}))


def display_of(quantity: str) -> QuantityDisplay | None:
    """Return how values of this quantity are shown; None if that depends on the value."""
    return QUANTITY_DISPLAYS.get(quantity) or _OWN.get().get(quantity)


@contextmanager
def showing(own: Mapping[str, QuantityDisplay]) -> Iterator[None]:
    """Show the values of quantities that people defined like this."""
    token = _OWN.set(own)
    try:
        yield
    finally:
        _OWN.reset(token)


_SYMBOLS = {"PPM": "ppm"}


def shown_unit(unit: str) -> str:
    """Return a unit as it is written; kits and definitions may use another spelling."""
    return _SYMBOLS.get(unit, unit)
