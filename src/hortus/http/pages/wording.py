"""Formatting of numbers, units, ages and sentences for people. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from hortus.domain.ledger.store import LedgerCounts
from hortus.domain.plants.state import Condition, Range

_MINUS = "−"

_SIGNS_AND_WORDS = {
    Condition.OK: ("✓", "In range"),
    Condition.LOW: ("▼", "Low"),
    Condition.HIGH: ("▲", "High"),
    Condition.NO_DATA: ("?", "No recent readings"),
    None: ("–", "No target range"),
}
_OF_PLANT = {
    Condition.OK: ("✓", "All in range"),
    Condition.LOW: ("!", "Needs attention"),
    Condition.HIGH: ("!", "Needs attention"),
    Condition.NO_DATA: ("?", "No recent readings"),
}


def number(value: float) -> str:
    """Return a measured value with as many digits as a plant sensor's precision justifies."""
    size = abs(value)
    if size >= 10_000_000 or 0 < size < 0.005:
        text = f"{value:.3g}"
    elif size >= 10_000:
        text = f"{value:,.0f}"
    elif size >= 10:
        text = f"{value:,.1f}"
    else:
        text = f"{value:.2f}"
    return text.replace("-", _MINUS, 1) if text.startswith("-") else text


def count(value: int) -> str:
    """Return a count with thousands separators."""
    return f"{value:,}"


def ago(moment: datetime, now: datetime) -> str:
    """Return how long ago a moment was. Same wording as static/status.js, which keeps ages current."""
    seconds = max(0, int((now - moment) / timedelta(seconds=1)))
    if seconds < 60:
        return f"{seconds} s ago"
    if seconds < 3600:
        return f"{seconds // 60} min ago"
    if seconds < 48 * 3600:
        return f"{seconds // 3600} h ago"
    return f"{seconds // 86_400} days ago"


def age_seconds(moment: datetime, now: datetime) -> int:
    """Return an age in whole seconds, never less than 0."""
    return max(0, int((now - moment) / timedelta(seconds=1)))


def accounted(counts: LedgerCounts, hours: int) -> str:
    """Return a sentence that says whether every received message is accounted for (P3)."""
    if not counts.adds_up:
        return (
            f"The counts of the last {hours} hours do not add up. "
            "This is a fault in Hortus. Report it with the output of `hortus ledger`."
        )
    if counts.received == 0:
        return f"No messages were received in the last {hours} hours."
    if counts.received == 1:
        return f"The one message received in the last {hours} hours is accounted for."
    return f"All {count(counts.received)} messages received in the last {hours} hours are accounted for."


def without_readings(counts: LedgerCounts, was_heard: bool, hours: int) -> str:
    """Return what to say of a kit without readings: what arrived counts, whether it was stored or not."""
    not_stored = counts.quarantined + counts.refused
    if not_stored == 1:
        return (
            f"No readings from the last {hours} hours. "
            "1 message arrived and was not stored; the reason is below."
        )
    if not_stored:
        return (
            f"No readings from the last {hours} hours. "
            f"{count(not_stored)} messages arrived and were not stored; the reasons are below."
        )
    if was_heard:
        return (
            f"No readings from the last {hours} hours. "
            "If the kit is new, give it a configuration and restart it."
        )
    return "No readings yet. Enter the serial and password on the kit, and give it a configuration."


def sign(condition: Condition | None) -> str:
    """Return the status icon of a quantity; None means that it is not judged."""
    return _SIGNS_AND_WORDS[condition][0]


def word(condition: Condition | None) -> str:
    """Return the status of a quantity in words; None means that it is not judged."""
    return _SIGNS_AND_WORDS[condition][1]


def plant_sign(condition: Condition) -> str:
    """Return the status icon of a plant."""
    return _OF_PLANT[condition][0]


def plant_word(condition: Condition) -> str:
    """Return the status of a plant in words."""
    return _OF_PLANT[condition][1]


def bounds(range_: Range) -> str:
    """Return the target range without its unit, or an empty text if it has no bound."""
    if range_.minimum is not None and range_.maximum is not None:
        return f"{_bound(range_.minimum)} to {_bound(range_.maximum)}"
    if range_.minimum is not None:
        return f"at least {_bound(range_.minimum)}"
    return "" if range_.maximum is None else f"at most {_bound(range_.maximum)}"


def _bound(value: float) -> str:
    # As the person entered it, not with the digits of a measurement.
    return f"{value:.6g}".replace("-", _MINUS, 1) if value < 0 else f"{value:.6g}"
