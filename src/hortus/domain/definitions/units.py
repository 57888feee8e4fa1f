"""Other units in which values are shown to people who chose them: one table, also for scripts. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hortus.base.language.appearance import TemperatureUnit


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """How a stored value becomes one of the unit shown: multiplied by `factor`, then `offset` added."""

    unit: str
    factor: float
    offset: float

    def of(self, value: float) -> float:
        """Return the value in the unit shown."""
        return value * self.factor + self.offset


CONVERSIONS: Mapping[TemperatureUnit, Mapping[str, Conversion]] = {
    TemperatureUnit.CELSIUS: {},
    TemperatureUnit.FAHRENHEIT: {"°C": Conversion(unit="°F", factor=1.8, offset=32.0)},
}
"""By what a person chose, then by the unit as it is stored. Units without an entry are shown as they are."""
