"""Numbers and units for people, in the language of the request. Pure."""

from __future__ import annotations

import math
from functools import lru_cache

from babel.numbers import format_decimal

from hortus.base.language.appearance import current_appearance
from hortus.base.language.languages import languages
from hortus.base.language.translation import current_language, gettext
from hortus.domain.definitions.display import display_of, shown_unit
from hortus.domain.definitions.units import CONVERSIONS, Conversion
from hortus.domain.plants.state import Range

_MINUS = "−"
_THIN_SPACE = "\u202f"
_NO_SPACE_BEFORE = ("°",)
_SHORTENED_FROM = 10_000
_SCIENTIFIC_FROM = 10_000_000
_SCIENTIFIC_BELOW = 0.005


def number(value: float) -> str:
    """Return a value of an unknown quantity, with as many digits as a plant sensor's precision justifies."""
    size = abs(value)
    if size >= 10_000:
        return fixed(value, 0)
    return fixed(value, 1 if size >= 10 else 2)


def measured(value: float, quantity: str) -> str:
    """Return a measured value with the decimals of its quantity, without the unit."""
    display = display_of(quantity)
    return number(value) if display is None else fixed(value, display.decimals_of(value))


def fixed(value: float, decimals: int) -> str:
    """Return a value with this number of decimals, or as a power of ten if it is absurdly large or small."""
    size = abs(value)
    if size >= _SCIENTIFIC_FROM or (0 < size < _SCIENTIFIC_BELOW and decimals > 1):
        return f"{value:.3g}".replace("-", _MINUS, 1) if value < 0 else f"{value:.3g}"
    return in_full(value, decimals)


def in_full(value: float, decimals: int) -> str:
    """Return a value with this number of decimals, however large or small it is."""
    rounded = round(value, decimals)
    pattern = "#,##0" + ("." + "0" * decimals if decimals else "")
    text = _written(abs(rounded), pattern, current_language().tag)
    return _MINUS + text if rounded < 0 else text


def count(value: int) -> str:
    """Return an exact count with separators between thousands."""
    return _written(value, "#,##0", current_language().tag)


def short_count(value: int) -> str:
    """Return a count, in thousands from 10,000 on; where it is shown, the title has the exact number."""
    if value < _SHORTENED_FROM:
        return count(value)
    if value < 1_000_000:
        return gettext("%(thousands)s k", thousands=fixed(_cut(value / 1000), 1))
    return gettext("%(millions)s M", millions=fixed(_cut(value / 1_000_000), 1))


def unit_gap(unit: str) -> str:
    """Return what stands between a number and this unit: a thin space that does not break, or nothing."""
    if not unit or unit in _NO_SPACE_BEFORE:
        return ""
    if unit == "%":
        pattern = current_language().locale.percent_formats[None].pattern
        return "" if pattern.endswith("0%") else _THIN_SPACE
    return _THIN_SPACE


def with_unit(text: str, unit: str) -> str:
    """Return a number as text with its unit."""
    unit = shown_unit(unit)
    return f"{text}{unit_gap(unit)}{unit}"


def own_conversion(unit: str) -> Conversion | None:
    """Return how values of this stored unit are shown to the viewer, or None if as they are."""
    return CONVERSIONS[current_appearance().temperature_unit].get(unit)


def own_unit(unit: str) -> str:
    """Return the unit in which the viewer sees values of this stored unit, as it is written."""
    conversion = own_conversion(unit)
    return shown_unit(unit) if conversion is None else conversion.unit


def own_value(value: float, unit: str) -> float:
    """Return a value of this stored unit in the unit in which the viewer sees it."""
    conversion = own_conversion(unit)
    return value if conversion is None else conversion.of(value)


def own_range(range_: Range, unit: str) -> Range:
    """Return a target range in the unit in which the viewer sees it."""
    conversion = own_conversion(unit)
    if conversion is None:
        return range_
    low, high = (None if each is None else conversion.of(each) for each in (range_.minimum, range_.maximum))
    return Range(minimum=low, maximum=high)


def range_with_unit(range_: Range, unit: str) -> str:
    """Return a target range with its unit, as the viewer sees it; an empty text if it has no bound."""
    text = bounds(own_range(range_, unit))
    return with_unit(text, own_unit(unit)) if text else ""


def bounds(range_: Range) -> str:
    """Return the target range without its unit, or an empty text if it has no bound."""
    if range_.minimum is not None and range_.maximum is not None:
        return f"{bound(range_.minimum)}–{bound(range_.maximum)}"
    if range_.minimum is not None:
        return gettext("at least %(bound)s", bound=bound(range_.minimum))
    return "" if range_.maximum is None else gettext("at most %(bound)s", bound=bound(range_.maximum))


def bound(value: float) -> str:
    """Return a bound of a range as a person entered it, not with the digits of a measurement."""
    if abs(value) >= _SCIENTIFIC_FROM:
        return fixed(value, 0)
    text = _written(abs(value), "#,##0.######", current_language().tag)
    return _MINUS + text if value < 0 else text


# The same numbers are shown again and again, since pages renew themselves.
@lru_cache(maxsize=4096)
def _written(value: float, pattern: str, tag: str) -> str:
    return format_decimal(value, format=pattern, locale=languages()[tag].locale)


def _cut(value: float) -> float:
    # Never rounded up: 999,999 is not a million.
    return math.floor(value * 10) / 10
