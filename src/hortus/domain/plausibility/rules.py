"""Whether a value can have been measured: the limits of a quantity or device, and the rule. Pure.

A value is *implausible* outside the limits, or if it is an error value: one that a device sends instead of a
measurement. A *lone* error value can be measured as well: 85 °C is what a DS18B20 sends after a loss of power,
and a compost heap may be that hot. It counts as measured if the same series has another value near it in the
same hour (UTC); without one, it is implausible. The hour is that of rollups, which are recomputed as a whole,
so late and repeated readings need no special handling (docs/series.md).

The same rule in SQL: hortus.domain.plausibility.fragments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum

IN_THE_UNIT = ("average", "minimum", "maximum")
"""The values of an aggregate that are in the unit of its quantity; of others, nothing is known."""


class Verdict(IntEnum):
    """What a single value shows. DOUBTFUL: a lone error value, which the other values of its hour decide."""

    PLAUSIBLE = 0
    DOUBTFUL = 1
    IMPLAUSIBLE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What can be measured, in the unit of the quantity; both bounds are possible, None means no bound.

    `error_values` has the meaning of each error value: what the device says with it. `device` names the device
    if the limits are its own and not those of the quantity.
    """

    minimum: float | None = None
    maximum: float | None = None
    error_values: Mapping[float, str] = field(default_factory=dict)
    lone_error_value: float | None = None
    lone_error_within: float = 0.0
    lone_error_meaning: str = ""
    device: str | None = None

    def verdict(self, value: float) -> Verdict:
        """Return what this value shows by itself."""
        if (
            (self.minimum is not None and value < self.minimum)
            or (self.maximum is not None and value > self.maximum)
            or value in self.error_values
        ):
            return Verdict.IMPLAUSIBLE
        return Verdict.DOUBTFUL if value == self.lone_error_value else Verdict.PLAUSIBLE

    def supports_lone_error(self, value: float) -> bool:
        """Return whether this value shows that the lone error value was measured in the same hour."""
        return (
            self.lone_error_value is not None
            and value != self.lone_error_value
            and abs(value - self.lone_error_value) <= self.lone_error_within
        )


UNLIMITED = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImplausibleReading:
    """A reading that cannot have been measured, and a sentence about it."""

    value: float
    at: datetime
    explanation: str


def implausible_of_hour(limits: Limits, values: Sequence[float]) -> list[bool]:
    """Return for each value of a series in one hour whether it is implausible."""
    is_supported = any(map(limits.supports_lone_error, values))
    return [_is_implausible(limits, value, is_supported=is_supported) for value in values]


def is_implausible_aggregate(limits: Limits, values: Mapping[str, float]) -> bool:
    """Return whether a figure that a kit computed over a period is implausible, or rests on such a value.

    A lone error value is decided by the other figures of the same aggregate.
    """
    figures = [values[name] for name in IN_THE_UNIT if name in values]
    return any(implausible_of_hour(limits, figures))


def implausible_reading(
    limits: Limits, *, value: float, at: datetime, quantity: str, unit: str
) -> ImplausibleReading:
    """Return an implausible reading with the sentence about it."""
    return ImplausibleReading(value=value, at=at, explanation=explanation(limits, value, quantity, unit))


def explanation(limits: Limits, value: float, quantity: str, unit: str) -> str:
    """Return a sentence that says why an implausible value is one, and what to check."""
    shown = f"{_number(value)} {unit}".strip()
    device = limits.device or "sensor"
    meaning = limits.error_values.get(value)
    if value == limits.lone_error_value:
        meaning = limits.lone_error_meaning
    if meaning:
        return f"Sensor reports {shown}, which the {device} {meaning}."
    possible = _possible(limits, unit)
    whose = (
        f"what the {limits.device} can measure" if limits.device else f"what is possible for {quantity.lower()}"
    )
    return f"Sensor reports {shown}, which is outside {whose} ({possible}): check the sensor and its wiring."


def _is_implausible(limits: Limits, value: float, *, is_supported: bool) -> bool:
    verdict = limits.verdict(value)
    return verdict is Verdict.IMPLAUSIBLE or (verdict is Verdict.DOUBTFUL and not is_supported)


def _possible(limits: Limits, unit: str) -> str:
    if limits.minimum is None:
        return f"at most {_number(limits.maximum or 0.0)} {unit}".strip()
    if limits.maximum is None:
        return f"at least {_number(limits.minimum)} {unit}".strip()
    return f"{_number(limits.minimum)} to {_number(limits.maximum)} {unit}".strip()


def _number(value: float) -> str:
    return f"{value:.6g}".replace("-", "−", 1)
