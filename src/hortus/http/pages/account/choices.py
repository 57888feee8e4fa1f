"""What people may choose for their pages, as the form shows it and as it is read."""

from __future__ import annotations

from typing import Any, TypedDict

from markupsafe import Markup

from hortus.base.language.appearance import (
    CHOOSABLE_LANGUAGES,
    Appearance,
    Clock,
    TemperatureUnit,
    Theme,
)
from hortus.base.language.languages import languages
from hortus.base.language.translation import gettext
from hortus.base.time_zones import time_zone_names
from hortus.domain.accounts.profiles import ProfileChange
from hortus.http.pages.forms import Form

_BDI = Markup('<bdi lang="{}">{}</bdi>')


class Choice(TypedDict):
    """A choice for `component.select` and `component.radios`."""

    value: str
    name: str
    about: str


def choices() -> dict[str, Any]:
    """Return the choices of each field, and the names of time zones."""
    locales = {tag: languages()[tag].locale for tag in CHOOSABLE_LANGUAGES}
    own_names = {tag: (locale.language_name or tag).capitalize() for tag, locale in locales.items()}
    return {
        "languages": [_choice("", gettext("As the browser asks"))]
        # Each in itself, whatever the language of the page is.
        + [_choice(tag, _BDI.format(tag, name)) for tag, name in own_names.items()],
        "temperature_units": [
            _choice(TemperatureUnit.CELSIUS, gettext("Degrees Celsius (°C)")),
            _choice(TemperatureUnit.FAHRENHEIT, gettext("Degrees Fahrenheit (°F)")),
        ],
        "clocks": [
            _choice(Clock.HOURS_24, gettext("24 hours (14:05)")),
            _choice(Clock.HOURS_12, gettext("12 hours (2:05 pm)")),
        ],
        "themes": [
            _choice(Theme.SYSTEM, gettext("As the device")),
            _choice(Theme.LIGHT, gettext("Light")),
            _choice(Theme.DARK, gettext("Dark")),
        ],
        "zones": sorted(name for name in time_zone_names() if "/" in name and not name.startswith("Etc/")),
    }


def values_of(appearance: Appearance) -> dict[str, str]:
    """Return what the form shows of these choices."""
    return {
        "language": appearance.language or "",
        "temperature_unit": appearance.temperature_unit.value,
        "clock": appearance.clock.value,
        "theme": appearance.theme.value,
        "shortcuts": "yes" if appearance.shortcuts else "",
        "time_zone": appearance.time_zone or "",
    }


def chosen(form: Form) -> ProfileChange:
    """Return what a form chooses, and note what it may not."""
    zone = form.value("time_zone")
    if zone and zone not in time_zone_names():
        form.refuse(
            "time_zone", gettext("There is no time zone of this name. Names look like Europe/Amsterdam.")
        )
    for name, known in _KNOWN.items():
        if form.value(name) not in known:
            form.refuse(name, gettext("Choose one of these."))
    if form.faults:
        return ProfileChange()
    return ProfileChange(
        time_zone=zone,
        language=form.value("language"),
        temperature_unit=TemperatureUnit(form.value("temperature_unit")),
        clock=Clock(form.value("clock")),
        theme=Theme(form.value("theme")),
        shortcuts=form.is_checked("shortcuts"),
    )


_KNOWN: dict[str, frozenset[str]] = {
    "language": frozenset({"", *CHOOSABLE_LANGUAGES}),
    "temperature_unit": frozenset(TemperatureUnit),
    "clock": frozenset(Clock),
    "theme": frozenset(Theme),
}


def _choice(value: str, name: str) -> Choice:
    return {"value": str(value), "name": name, "about": ""}
