"""How a person wants pages to be written: their language, units, clock and colours.

It is that of the person who asks for a page, from the moment at which the page knows who that is. Without a
request, as in jobs and commands, it is the default.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum

from hortus.base.language.languages import DEFAULT, TRANSLATED
from hortus.base.language.translation import speak

CHOOSABLE_LANGUAGES = (DEFAULT, *TRANSLATED)


class TemperatureUnit(StrEnum):
    """The unit in which temperatures are shown; they are stored in degrees Celsius."""

    CELSIUS = "celsius"
    FAHRENHEIT = "fahrenheit"


class Clock(StrEnum):
    """How times of day are written."""

    HOURS_24 = "24h"
    HOURS_12 = "12h"


class Theme(StrEnum):
    """The colours of pages; `system` follows the device."""

    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


@dataclass(frozen=True, slots=True, kw_only=True)
class Appearance:
    """A person's choices. Without a `language`, pages are in the one that the browser asks for.

    `time_zone` is the IANA name of the zone in which times are written that belong to no kit.
    """

    language: str | None = None
    temperature_unit: TemperatureUnit = TemperatureUnit.CELSIUS
    clock: Clock = Clock.HOURS_24
    theme: Theme = Theme.SYSTEM
    shortcuts: bool = True
    time_zone: str | None = None


def fault_of_language(tag: str) -> str | None:
    """Return why pages cannot be in this language, or None; an empty text is none of one's own."""
    if not tag or tag in CHOOSABLE_LANGUAGES:
        return None
    return f"Pages are in {', '.join(CHOOSABLE_LANGUAGES)}"


DEFAULT_APPEARANCE = Appearance()

# None outside of requests to the pages, where nothing adopts the choices of a person.
_current: ContextVar[Appearance | None] = ContextVar("appearance", default=None)


def current_appearance() -> Appearance:
    """Return the appearance of the current page."""
    return _current.get() or DEFAULT_APPEARANCE


@contextmanager
def appearing(appearance: Appearance = DEFAULT_APPEARANCE) -> Iterator[None]:
    """Use this appearance within the block and the tasks it starts, or one that is adopted there."""
    token = _current.set(appearance)
    try:
        yield
    finally:
        _current.reset(token)


def adopt(appearance: Appearance) -> None:
    """Use a person's choices for the rest of the request; without effect outside of `appearing`."""
    if _current.get() is None:
        return
    _current.set(appearance)
    if appearance.language in CHOOSABLE_LANGUAGES:
        speak(appearance.language)
