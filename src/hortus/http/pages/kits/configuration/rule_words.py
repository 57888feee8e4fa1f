"""Control rules in words, in the language of the request. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hortus.base.language.translation import gettext, gettext_noop
from hortus.domain.kits.control_rules import INPUT_VARIABLES
from hortus.domain.kits.rule_editing import DAY_ENDS
from hortus.domain.kits.rule_evaluation import truth_of_word
from hortus.http.pages.schema_forms.kinds import words_of
from hortus.http.pages.schema_forms.texts import number_text

_VALUE_WORDS = {
    "largeNegative": gettext_noop("far below target"),
    "smallNegative": gettext_noop("a little below"),
    "nominal": gettext_noop("on target"),
    "smallPositive": gettext_noop("a little above"),
    "largePositive": gettext_noop("far above target"),
}
_CHANGE_WORDS = {
    "largeNegative": gettext_noop("falling fast"),
    "smallNegative": gettext_noop("falling"),
    "nominal": gettext_noop("steady"),
    "smallPositive": gettext_noop("rising"),
    "largePositive": gettext_noop("rising fast"),
}
OUTPUT_WORDS = {
    "minimal": gettext_noop("minimal"),
    "low": gettext_noop("low"),
    "medium": gettext_noop("medium"),
    "high": gettext_noop("high"),
    "maximal": gettext_noop("maximal"),
}
HEDGES = {"very": gettext_noop("very"), "slightly": gettext_noop("slightly")}


def input_word(word: str, *, is_change: bool) -> str:
    """Return how a quantity is, or how it changes."""
    return gettext((_CHANGE_WORDS if is_change else _VALUE_WORDS)[word])


def nearest_word(position: float) -> str:
    """Return the word that is truest at this position on the scale."""
    word = max(INPUT_VARIABLES, key=lambda each: truth_of_word(each, position))
    return input_word(word, is_change=False)


def input_name(device: str, quantity: str) -> str:
    """Return the name of a controlled quantity."""
    return f"{device} · {quantity}"


def output_name(device: str, command: str) -> str:
    """Return the name of an output."""
    return f"{device} · {words_of(command)}"


def condition_sentence(condition: Mapping[str, Any], quantities: Mapping[int, str]) -> str:
    """Return a condition as a sentence."""
    number = int(condition["quantityType"])
    quantity = input_name(condition["peripheral"], quantities.get(number, str(number)))
    word = input_word(condition["fuzzyVariable"], is_change=bool(condition.get("delta")))
    hedge, negated = condition.get("hedge"), bool(condition.get("negation"))
    values = {"quantity": quantity, "word": word}
    if hedge == "very":
        if negated:
            return gettext("%(quantity)s is not very %(word)s.", **values)
        return gettext("%(quantity)s is very %(word)s.", **values)
    if hedge == "slightly":
        if negated:
            return gettext("%(quantity)s is not slightly %(word)s.", **values)
        return gettext("%(quantity)s is slightly %(word)s.", **values)
    if negated:
        return gettext("%(quantity)s is not %(word)s.", **values)
    return gettext("%(quantity)s is %(word)s.", **values)


def effect_sentences(rule: Mapping[str, Any]) -> list[str]:
    """Return what a rule does, a sentence each."""
    sentences = [
        gettext(
            "%(output)s is %(word)s.",
            output=output_name(each["peripheral"], each["command"]),
            word=gettext(OUTPUT_WORDS[each["fuzzyVariable"]]),
        )
        for each in rule["implication"]
    ]
    return sentences + [
        gettext(
            "%(output)s follows schedule %(number)s.",
            output=output_name(each["peripheral"], each["command"]),
            number=each["schedule"],
        )
        for each in rule["schedules"]
    ]


def active_text(rule: Mapping[str, Any]) -> str:
    """Return when a rule is active."""
    begins, ends = rule["activeFrom"], rule["activeTo"]
    if short_time(begins) == "00:00" and ends in {DAY_ENDS, "23:59"}:
        return gettext("All day")
    return gettext("From %(begins)s to %(ends)s", begins=short_time(begins), ends=short_time(ends))


def short_time(time: str) -> str:
    """Return a time of day without seconds, if they are zero."""
    return time[:5] if len(time) < 6 or time.endswith(":00") else time


def short_clock(seconds: int) -> str:
    """Return a second of the day as a time of day."""
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}"


def sent_text(value: Any) -> str:
    """Return what an output gets, in figures with one decimal at most."""
    if value is None:
        return gettext("nothing")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number_text(round(value, 1))
    return str(value)
