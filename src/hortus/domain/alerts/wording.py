"""What messages about alerts say. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

# What a quantity out of range means to a plant, by the built-in quantities.
_NEEDS = {
    ("Soil moisture", "low"): "It needs water.",
    ("Soil moisture", "high"): "It stands too wet.",
    ("Light level", "low"): "It is too dark.",
    ("Light level", "high"): "It is too bright.",
    ("Light intensity", "low"): "It is too dark.",
    ("Light intensity", "high"): "It is too bright.",
    ("Temperature", "low"): "It is too cold.",
    ("Temperature", "high"): "It is too warm.",
    ("Humidity", "low"): "The air is too dry.",
    ("Humidity", "high"): "The air is too humid.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeAlert:
    """What a message about a plant is made of. `began_at` is when the quantity went out of its range."""

    plant_id: int
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
    """What a message about a kit is made of."""

    serial: str
    name: str
    last_heard_at: datetime
    is_board: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Subject and body of a message."""

    subject: str
    body: str


def needs_attention(alert: RangeAlert, public_url: str | None) -> Text:
    """Return what is wrong with a plant: quantity, value, range and direction, and since when."""
    unit = f" {alert.unit_symbol}" if alert.unit_symbol else ""
    bound = alert.minimum if alert.condition == "low" else alert.maximum
    value = f"{_number(alert.value)}{unit}"
    side = "below" if alert.condition == "low" else "above"
    quantity = alert.quantity[:1].lower() + alert.quantity[1:]
    lines = [
        f"{alert.plant_name} needs attention: {quantity} is {value}, {side} {_number(bound)}{unit}.",
        need_of(alert.quantity, alert.condition),
        "",
        f"Right for it: {_range(alert.minimum, alert.maximum, unit)}",
        f"Measured by: {alert.kit_name}",
        f"Out of range since: {_time(alert.began_at)}",
    ]
    return Text(
        subject=f"{alert.plant_name} needs attention!",
        body=_body(lines, public_url, f"/plants/{alert.plant_id}"),
    )


def need_of(quantity: str, condition: str) -> str:
    """Return what it means to a plant that a quantity is low or high, as a sentence."""
    return _NEEDS.get((quantity, condition), f"It is too {condition}.")


def well_again(alert: RangeAlert, over_since: datetime, public_url: str | None) -> Text:
    """Return that a quantity of a plant is right again. `value` is the present one."""
    unit = f" {alert.unit_symbol}" if alert.unit_symbol else ""
    quantity = alert.quantity[:1].lower() + alert.quantity[1:]
    lines = [
        f"{alert.plant_name} is well again: {quantity} is {_number(alert.value)}{unit}.",
        "",
        f"Right for it: {_range(alert.minimum, alert.maximum, unit)}",
        f"Back in range since: {_time(over_since)}",
    ]
    return Text(
        subject=f"{alert.plant_name} is well again", body=_body(lines, public_url, f"/plants/{alert.plant_id}")
    )


def is_silent(kit: SilentKit, public_url: str | None) -> Text:
    """Return that a kit is not heard any more, and what to look at."""
    what = "board" if kit.is_board else "kit"
    lines = [
        f"Nothing is heard of {kit.name} any more.",
        "",
        f"Last heard: {_time(kit.last_heard_at)}",
        f"The {what}: {kit.serial}",
        "",
        "Is it switched on, and is there a network where it stands?",
    ]
    if kit.is_board:
        lines.append(
            "After a power cut or some failed attempts to join the network, a PlantKeeper board waits for its "
            "network to be set up anew: it then shows a network of its own."
        )
    return Text(subject=f"{kit.name} is silent", body=_body(lines, public_url, None))


def heard_again(kit: SilentKit, public_url: str | None) -> Text:
    """Return that a kit is back."""
    lines = [f"{kit.name} is heard again.", "", f"Last heard: {_time(kit.last_heard_at)}"]
    return Text(subject=f"{kit.name} is heard again", body=_body(lines, public_url, None))


def _body(lines: list[str], public_url: str | None, path: str | None) -> str:
    if public_url is not None:
        lines = [*lines, "", f"{public_url}{path or '/'}"]
    # A name with line breaks must not look like lines of ours.
    return "\n".join(" ".join(line.split()) for line in lines) + "\n"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}".rstrip("0").rstrip(".")


def _range(minimum: float | None, maximum: float | None, unit: str) -> str:
    if minimum is None:
        return f"at most {_number(maximum)}{unit}"
    if maximum is None:
        return f"at least {_number(minimum)}{unit}"
    return f"{_number(minimum)} to {_number(maximum)}{unit}"


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")
