"""Sentences about configurations, in the language of the request. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hortus.base.language.translation import gettext, ngettext
from hortus.domain.kits.configuration_difference import (
    ABSENT,
    Change,
    DeviceChange,
    Difference,
    PartChange,
    RuleChange,
    SettingChange,
)
from hortus.domain.kits.shared_pins import Connection, SharedConnection, claims_of
from hortus.http.pages.figures import count
from hortus.http.pages.schema_forms.kinds import label_of, translated, unit_of, words_of
from hortus.http.pages.schema_forms.texts import interval_parts, number_text

_MOST_VALUE_CHARACTERS = 60


def configuration_name(configuration_id: int, description: str | None) -> str:
    """Return the first line of a configuration's description, or its number."""
    lines = (description or "").strip().splitlines()
    return lines[0] if lines else gettext("Configuration %(number)s", number=configuration_id)


def definition_name(name: str) -> str:
    """Return the name of a definition; built-in ones are translated."""
    return translated(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryPart:
    """A part of a summary; an address is no word of a language."""

    text: str
    is_address: bool = False


def device_summary(configuration: Any) -> list[SummaryPart]:
    """Return where a device is connected and how often it measures, as far as its settings say."""
    parts = []
    claims = claims_of(configuration)
    pins = [address for connection, address in claims if connection is Connection.GPIO]
    if pins:
        pins_text = ngettext("pin %(pins)s", "pins %(pins)s", len(pins), pins=", ".join(pins))
        parts.append(SummaryPart(text=pins_text))
    parts += [
        SummaryPart(text=address, is_address=True)
        for connection, address in claims
        if connection is not Connection.GPIO
    ]
    intervals = configuration.get("intervals") if isinstance(configuration, dict) else None
    seconds = intervals.get("measurementInterval") if isinstance(intervals, dict) else None
    if isinstance(seconds, int) and not isinstance(seconds, bool):
        parts.append(SummaryPart(text=gettext("every %(interval)s", interval=interval_text(seconds))))
    return parts


def interval_text(seconds: int) -> str:
    """Return an interval with its unit: `60 s`, `30 min`."""
    number, unit = interval_parts(seconds)
    patterns = {
        "s": gettext("%(seconds)s s", seconds=number),
        "min": gettext("%(minutes)s min", minutes=number),
        "h": gettext("%(hours)s h", hours=number),
    }
    return patterns[unit]


def shared_sentence(shared: SharedConnection) -> str:
    """Return the warning about a connection that several devices claim."""
    values = {"address": shared.address, "devices": ", ".join(dict.fromkeys(shared.devices))}
    if shared.connection is Connection.GPIO:
        return gettext("Pin %(address)s is used more than once: %(devices)s.", **values)
    if shared.connection is Connection.I2C:
        return gettext("I²C address %(address)s is used more than once: %(devices)s.", **values)
    return gettext("The serial port %(address)s is used more than once: %(devices)s.", **values)


def difference_sentences(
    found: Difference, schemas: Mapping[str, Any], quantities: Mapping[int, str]
) -> list[str]:
    """Return what differs, a sentence each.

    `schemas` are those of settings by the name of the definition, `quantities` names by id.
    """
    sentences = [
        sentence
        for change in found.devices
        for sentence in _device_sentences(change, schemas.get(change.definition))
    ]
    sentences += [_target_sentence(change, quantities) for change in found.targets]
    sentences += [_output_sentence(change) for change in found.outputs]
    sentences += [_rule_sentence(change) for change in found.rules]
    if found.only_other_keys:
        sentences.append(gettext("The control rules differ in parts that kits do not read."))
    return sentences


def setting_sentences(device: str, changes: Iterable[SettingChange], schema: Any) -> list[str]:
    """Return which settings of a device differ, a sentence each."""
    return [_setting_sentence(device, change, schema) for change in changes]


def value_text(value: Any, schema: Any = None) -> str:
    """Return a setting's value in a sentence."""
    unit = unit_of(schema)
    if value is None:
        return gettext("nothing")
    if isinstance(value, bool):
        return gettext("on") if value else gettext("off")
    if isinstance(value, int) and unit == "s":
        return interval_text(value)
    if isinstance(value, int | float):
        return f"{number_text(value)} {unit}".strip()
    if isinstance(value, list):
        if all(isinstance(each, int | float | str) for each in value) and value:
            return _shortened(", ".join(map(str, value)))
        return ngettext("%(count)s row", "%(count)s rows", len(value), count=count(len(value)))
    return _shortened(str(value))


def _shortened(text: str) -> str:
    return text if len(text) <= _MOST_VALUE_CHARACTERS else f"{text[:_MOST_VALUE_CHARACTERS]}…"


def _device_sentences(change: DeviceChange, schema: Any) -> Iterator[str]:
    values = {"device": change.name, "definition": definition_name(change.definition)}
    if change.change is Change.ADDED:
        yield gettext("%(device)s (%(definition)s) is new.", **values)
    elif change.change is Change.REMOVED:
        yield gettext("%(device)s (%(definition)s) is removed.", **values)
    elif change.before_name != change.name:
        yield gettext("%(before)s is now named %(device)s.", before=change.before_name, device=change.name)
    yield from setting_sentences(change.name, change.settings, schema)


def _setting_sentence(device: str, change: SettingChange, schema: Any) -> str:
    setting, part = _setting(change.place, schema)
    values = {"device": device, "setting": setting}
    if change.before is ABSENT:
        return gettext(
            "%(device)s: %(setting)s is set to %(after)s.", after=value_text(change.after, part), **values
        )
    if change.after is ABSENT:
        return gettext("%(device)s: %(setting)s is no longer set.", **values)
    before, after = value_text(change.before, part), value_text(change.after, part)
    if before == after:
        return gettext("%(device)s: %(setting)s changes.", **values)
    return gettext(
        "%(device)s: %(setting)s changes from %(before)s to %(after)s.", before=before, after=after, **values
    )


def _setting(place: tuple[str, ...], schema: Any) -> tuple[str, Any]:
    """Return the label of a setting, and its schema."""
    label = gettext("the settings")
    for key in place:
        properties = schema.get("properties") if isinstance(schema, dict) else None
        schema = properties.get(key) if isinstance(properties, dict) else None
        label = label_of(schema, key) if schema is not None else words_of(key)
    return label, schema


def _target_sentence(change: PartChange, quantities: Mapping[int, str]) -> str:
    quantity = quantities.get(int(change.key), change.key) if change.key.isdigit() else change.key
    values = {"device": change.peripheral, "quantity": quantity}
    if change.change is Change.ADDED:
        return gettext("The target for %(quantity)s of %(device)s is new.", **values)
    if change.change is Change.REMOVED:
        return gettext("The target for %(quantity)s of %(device)s is removed.", **values)
    return gettext("The target for %(quantity)s of %(device)s changes.", **values)


def _output_sentence(change: PartChange) -> str:
    values = {"device": change.peripheral, "command": words_of(change.key)}
    if change.change is Change.ADDED:
        return gettext("The output %(command)s of %(device)s is new.", **values)
    if change.change is Change.REMOVED:
        return gettext("The output %(command)s of %(device)s is removed.", **values)
    return gettext("The output %(command)s of %(device)s changes.", **values)


def _rule_sentence(change: RuleChange) -> str:
    if change.change is Change.ADDED:
        return gettext("Rule %(number)s is new.", number=change.number)
    if change.change is Change.REMOVED:
        return gettext("The former rule %(number)s is removed.", number=change.number)
    return gettext("Rule %(number)s changes.", number=change.number)
