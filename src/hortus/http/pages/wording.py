"""Words and sentences for people, in the language of the request. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from hortus.base.language.translation import gettext, gettext_noop, ngettext, pgettext
from hortus.domain.alerts.wording import NEEDS
from hortus.domain.definitions.display import QUANTITY_DISPLAYS
from hortus.domain.ledger.store import LedgerCounts
from hortus.domain.plants.state import Condition
from hortus.http.pages.figures import count

_WORDS = {
    Condition.OK: gettext_noop("In range"),
    Condition.LOW: gettext_noop("Low"),
    Condition.HIGH: gettext_noop("High"),
    Condition.NO_DATA: gettext_noop("No recent readings"),
    None: gettext_noop("No target range"),
}

# What is wrong with a plant, in two words, by built-in quantity.
_TOO = {
    ("Soil moisture", Condition.LOW): gettext_noop("Too dry"),
    ("Soil moisture", Condition.HIGH): gettext_noop("Too wet"),
    ("Light level", Condition.LOW): gettext_noop("Too dark"),
    ("Light level", Condition.HIGH): gettext_noop("Too bright"),
    ("Light intensity", Condition.LOW): gettext_noop("Too dark"),
    ("Light intensity", Condition.HIGH): gettext_noop("Too bright"),
    ("Temperature", Condition.LOW): gettext_noop("Too cold"),
    ("Temperature", Condition.HIGH): gettext_noop("Too warm"),
    ("Humidity", Condition.LOW): gettext_noop("Air too dry"),
    ("Humidity", Condition.HIGH): gettext_noop("Air too humid"),
}


_ADVICE = {
    ("Soil moisture", Condition.LOW): gettext_noop("Water it."),
    ("Soil moisture", Condition.HIGH): gettext_noop("Let it dry, and check that water can drain off."),
    ("Light level", Condition.LOW): gettext_noop("Move it to a brighter place, or give it more light."),
    ("Light level", Condition.HIGH): gettext_noop("Shade it, or move it to a darker place."),
    ("Light intensity", Condition.LOW): gettext_noop("Move it to a brighter place, or give it more light."),
    ("Light intensity", Condition.HIGH): gettext_noop("Shade it, or move it to a darker place."),
    ("Temperature", Condition.LOW): gettext_noop("Move it to a warmer place, or heat."),
    ("Temperature", Condition.HIGH): gettext_noop("Let air in, shade it, or move it to a cooler place."),
    ("Humidity", Condition.LOW): gettext_noop("Moisten the air, or move it away from the heating."),
    ("Humidity", Condition.HIGH): gettext_noop("Let fresh air in."),
}
_GENERAL_ADVICE = gettext_noop("Check the plant, the sensor and the target range.")


@dataclass(frozen=True, slots=True, kw_only=True)
class OutOfRange:
    """A quantity that is low or high, by its English name."""

    quantity: str
    condition: Condition


def quantity_name(name: str) -> str:
    """Return the name of a quantity: built-in ones are translated, those that people made are left as typed."""
    return pgettext("quantity", name) if name in QUANTITY_DISPLAYS else name


def word(condition: Condition | None) -> str:
    """Return the status of a quantity in words; None means that it is not judged."""
    return gettext(_WORDS[condition])


def plant_word(condition: Condition, out_of_range: Collection[OutOfRange] = ()) -> str:
    """Return the status of a plant in words: what is wrong, if it is one thing that has a word."""
    if condition is Condition.OK:
        return gettext("All in range")
    if condition is Condition.NO_DATA:
        return gettext("No recent readings")
    reasons = {_TOO.get((each.quantity, each.condition)) for each in out_of_range}
    (only,) = reasons if len(reasons) == 1 else (None,)
    return gettext(only) if only else gettext("Needs attention")


def advice_on(quantity: str, condition: Condition) -> str:
    """Return what to do about a quantity that is low or high, as a sentence."""
    known = _ADVICE.get((quantity, condition))
    return gettext(known or _GENERAL_ADVICE)


def need_of(quantity: str, condition: Condition) -> str:
    """Return what it means for a plant that a quantity is low or high, as a sentence."""
    known = NEEDS.get((quantity, condition.value))
    if known is not None:
        return gettext(known)
    name = quantity_name(quantity)
    if condition is Condition.LOW:
        return gettext("%(quantity)s is too low.", quantity=name)
    return gettext("%(quantity)s is too high.", quantity=name)


def accounted(counts: LedgerCounts, hours: int) -> str:
    """Return a line that says whether every received message is accounted for (P3)."""
    if not counts.adds_up:
        return gettext(
            "The counts of the last %(hours)s hours do not add up. "
            "This is a fault in Hortus. Report it with the output of `hortus ledger`.",
            hours=hours,
        )
    if counts.received == 0:
        return gettext("No messages in %(hours)s h", hours=hours)
    return ngettext(
        "1 message in %(hours)s h, accounted for",
        "%(messages)s messages in %(hours)s h, all accounted for",
        counts.received,
        messages=count(counts.received),
        hours=hours,
    )


def without_readings(counts: LedgerCounts, was_heard: bool, hours: int) -> str:
    """Return what to say of a kit without readings: what arrived counts, whether it was stored or not."""
    not_stored = counts.quarantined + counts.refused
    if not_stored:
        return ngettext(
            "No readings from the last %(hours)s hours. 1 message arrived and was not stored.",
            "No readings from the last %(hours)s hours. %(messages)s messages arrived and were not stored.",
            not_stored,
            messages=count(not_stored),
            hours=hours,
        )
    if was_heard:
        return gettext(
            "No readings from the last %(hours)s hours. "
            "If the kit is new, give it a configuration and restart it.",
            hours=hours,
        )
    return gettext("No readings yet. Enter the serial and password on the kit, and give it a configuration.")
