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

from babel.numbers import get_decimal_symbol

from hortus.base.language.translation import current_language, gettext, pgettext

IN_A_SENTENCE = "quantity in a sentence"
"""The context of names of quantities that do not stand alone."""

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
    """Return a sentence that says why an implausible value is one, and what to check.

    In the language of the request, which is English for programs.
    """
    shown = _with_unit(value, unit)
    meaning = limits.error_values.get(value)
    if value == limits.lone_error_value:
        meaning = limits.lone_error_meaning
    if meaning:
        return gettext(meaning_sentence(meaning, has_device=limits.device is not None)) % {
            "value": shown,
            "device": limits.device,
        }
    if limits.device:
        return gettext(
            "Sensor reports %(value)s, which is outside what the %(device)s can measure (%(range)s): "
            "check the sensor and its wiring.",
            value=shown,
            device=limits.device,
            range=_possible(limits, unit),
        )
    return gettext(
        "Sensor reports %(value)s, which is outside what is possible for %(quantity)s (%(range)s): "
        "check the sensor and its wiring.",
        value=shown,
        quantity=pgettext(IN_A_SENTENCE, in_a_sentence(quantity)),
        range=_possible(limits, unit),
    )


def meaning_sentence(meaning: str, *, has_device: bool) -> str:
    """Return the sentence about an error value, which is translated as a whole."""
    device = "%(device)s" if has_device else "sensor"
    return f"Sensor reports %(value)s, which the {device} {meaning.replace('%', '%%')}."


def in_a_sentence(quantity: str) -> str:
    """Return the name of a quantity as it is written within a sentence; abbreviations stay as they are."""
    return quantity if quantity[1:2].isupper() else quantity[:1].lower() + quantity[1:]


def _is_implausible(limits: Limits, value: float, *, is_supported: bool) -> bool:
    verdict = limits.verdict(value)
    return verdict is Verdict.IMPLAUSIBLE or (verdict is Verdict.DOUBTFUL and not is_supported)


def _possible(limits: Limits, unit: str) -> str:
    if limits.minimum is None:
        return gettext("at most %(bound)s", bound=_with_unit(limits.maximum or 0.0, unit))
    if limits.maximum is None:
        return gettext("at least %(bound)s", bound=_with_unit(limits.minimum, unit))
    return gettext(
        "%(minimum)s to %(maximum)s",
        minimum=_number(limits.minimum),
        maximum=_with_unit(limits.maximum, unit),
    )


def _with_unit(value: float, unit: str) -> str:
    return f"{_number(value)} {unit}".strip()


def _number(value: float) -> str:
    decimal = get_decimal_symbol(current_language().locale)
    return f"{value:.6g}".replace("-", "−", 1).replace(".", decimal)
