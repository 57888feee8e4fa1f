"""The texts of messages about alerts. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from hortus.base.language.translation import gettext_noop

# Mails are in English so far; the pages translate these sentences.
NEEDS = {
    ("Soil moisture", "low"): gettext_noop("The soil is too dry."),
    ("Soil moisture", "high"): gettext_noop("The soil is too wet."),
    ("Light level", "low"): gettext_noop("It is too dark."),
    ("Light level", "high"): gettext_noop("It is too bright."),
    ("Light intensity", "low"): gettext_noop("It is too dark."),
    ("Light intensity", "high"): gettext_noop("It is too bright."),
    ("Temperature", "low"): gettext_noop("It is too cold."),
    ("Temperature", "high"): gettext_noop("It is too warm."),
    ("Humidity", "low"): gettext_noop("The air is too dry."),
    ("Humidity", "high"): gettext_noop("The air is too humid."),
}
"""What an out-of-range quantity means for a plant, by built-in quantity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeAlert:
    """The facts for a message about a plant. `began_at` is when the quantity left its range."""

    alert_id: int
    plant_name: str
    kit_name: str
    quantity: str
    unit_symbol: str
    condition: str
    value: float
    minimum: float | None
    maximum: float | None
    began_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SilentKit:
    """The facts for a message about a kit."""

    alert_id: int
    serial: str
    name: str
    last_heard_at: datetime
    is_board: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Subject and body of a message."""

    subject: str
    body: str


def needs_attention(alert: RangeAlert, public_url: str | None, zone: ZoneInfo) -> Text:
    """Return the message that a quantity of a plant is out of range: value, direction, range and since when."""
    unit = f" {alert.unit_symbol}" if alert.unit_symbol else ""
    bound = alert.minimum if alert.condition == "low" else alert.maximum
    value = f"{_number(alert.value)}{unit}"
    side = "below" if alert.condition == "low" else "above"
    quantity = alert.quantity[:1].lower() + alert.quantity[1:]
    headline = f"{alert.plant_name}: {quantity} {value}, {side} {_number(bound)}{unit}"
    lines = [
        f"{headline}.",
        need_of(alert.quantity, alert.condition),
        "",
        f"Target range: {_range(alert.minimum, alert.maximum, unit)}",
        f"Measured by: {alert.kit_name}",
        f"Out of range since: {_time(alert.began_at, zone)}",
    ]
    return Text(subject=headline, body=_body(lines, public_url, alert.alert_id))


def need_of(quantity: str, condition: str) -> str:
    """Return what it means for a plant that a quantity is low or high, as a sentence."""
    return NEEDS.get((quantity, condition), f"{quantity} is too {condition}.")


def well_again(alert: RangeAlert, over_since: datetime, public_url: str | None, zone: ZoneInfo) -> Text:
    """Return the message that a quantity of a plant is back in range. `value` is the current value."""
    unit = f" {alert.unit_symbol}" if alert.unit_symbol else ""
    quantity = alert.quantity[:1].lower() + alert.quantity[1:]
    headline = f"{alert.plant_name}: {quantity} back in range"
    lines = [
        f"{headline}, now {_number(alert.value)}{unit}.",
        "",
        f"Target range: {_range(alert.minimum, alert.maximum, unit)}",
        f"Back in range since: {_time(over_since, zone)}",
    ]
    return Text(subject=headline, body=_body(lines, public_url, alert.alert_id))


def is_silent(kit: SilentKit, public_url: str | None, zone: ZoneInfo) -> Text:
    """Return the message that a kit has fallen silent, and what to check."""
    what = "board" if kit.is_board else "kit"
    lines = [
        f"{kit.name} has been silent since {_time(kit.last_heard_at, zone)}.",
        "Check its power and its network.",
        "",
        f"Serial of the {what}: {kit.serial}",
    ]
    if kit.is_board:
        lines.append("")
        lines.append(
            "After a power cut, or when it fails to join its network several times, a PlantKeeper board waits "
            "to be set up again and opens a network of its own for that."
        )
    return Text(subject=f"{kit.name} is silent", body=_body(lines, public_url, kit.alert_id))


def heard_again(kit: SilentKit, public_url: str | None, zone: ZoneInfo) -> Text:
    """Return the message that a kit is sending again."""
    lines = [f"{kit.name} is sending again.", "", f"Last heard: {_time(kit.last_heard_at, zone)}"]
    return Text(subject=f"{kit.name} is sending again", body=_body(lines, public_url, kit.alert_id))


def _body(lines: list[str], public_url: str | None, alert_id: int) -> str:
    if public_url is not None:
        lines = [*lines, "", f"{public_url}/alerts/{alert_id}"]
    # A name with line breaks must not be able to add lines to the message.
    return "\n".join(" ".join(line.split()) for line in lines) + "\n"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}".rstrip("0").rstrip(".")


def _range(minimum: float | None, maximum: float | None, unit: str) -> str:
    if minimum is None:
        return f"at most {_number(maximum)}{unit}"
    if maximum is None:
        return f"at least {_number(minimum)}{unit}"
    return f"{_number(minimum)} to {_number(maximum)}{unit}"


def _time(moment: datetime, zone: ZoneInfo) -> str:
    name = zone.key if zone.key == "UTC" else f"({zone.key})"
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M} {name}"
