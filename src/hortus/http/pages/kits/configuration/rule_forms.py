"""The form of a control rule: its schema, and the way from a rule to the form and back. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hortus.base.language.translation import gettext
from hortus.domain.kits.control_rules import INPUT_VARIABLES, OUTPUT_VARIABLES
from hortus.domain.kits.rule_editing import DAY_BEGINS, DAY_ENDS
from hortus.domain.kits.schemas import SchemaFault
from hortus.http.pages.kits.configuration.rule_schemas import (
    Schema,
    choice_schema,
    object_schema,
    time_schema,
)
from hortus.http.pages.kits.configuration.rule_words import HEDGES, OUTPUT_WORDS, input_word

_NO, _YES = "no", "yes"
_CHANGE = "change:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """Something that rules can refer to: a quantity or an output, by device and key, with its name."""

    device: str
    key: str
    name: str


def rule_schema(inputs: Sequence[Named], continuous: Sequence[Named], scheduled: Sequence[Named]) -> Schema:
    """Return the schema of a rule's form, with the quantities and outputs that it may name."""
    properties: Schema = {}
    if inputs:
        condition = object_schema(
            {
                "of": choice_schema(gettext("Quantity"), _keys(inputs), [each.name for each in inputs]),
                "negation": choice_schema(gettext("Is"), [_NO, _YES], [gettext("is"), gettext("is not")]),
                "hedge": choice_schema(
                    gettext("How much"), [_NO, *HEDGES], ["–", *(gettext(each) for each in HEDGES.values())]
                ),
                "word": choice_schema(gettext("Word"), *_input_choices()),
            }
        )
        properties["condition"] = {
            "type": "array",
            "title": gettext("If all of these hold"),
            "items": condition,
        }
    if continuous:
        words = [gettext(OUTPUT_WORDS[each]) for each in OUTPUT_VARIABLES]
        effect = object_schema(
            {
                "of": choice_schema(gettext("Output"), _keys(continuous), [each.name for each in continuous]),
                "word": choice_schema(gettext("Is"), list(OUTPUT_VARIABLES), words),
            }
        )
        properties["implication"] = {"type": "array", "title": gettext("Then set"), "items": effect}
    if scheduled:
        choice = object_schema(
            {
                "of": choice_schema(gettext("Output"), _keys(scheduled), [each.name for each in scheduled]),
                "schedule": {"type": "integer", "title": gettext("Schedule"), "minimum": 1, "default": 1},
            }
        )
        properties["schedules"] = {"type": "array", "title": gettext("Then follow"), "items": choice}
    properties["activeFrom"] = time_schema(gettext("Active from")) | {"default": DAY_BEGINS}
    properties["activeTo"] = time_schema(gettext("Active until")) | {
        "default": DAY_ENDS,
        "description": gettext(
            "Times are those of the kit. A rule from 22:00 to 06:00 is stored as two rules."
        ),
    }
    schema = object_schema(properties)
    # Only one of both is needed, and either may be empty.
    schema["required"] = ["condition", "activeFrom", "activeTo"]
    return schema


def rule_to_form(rule: Mapping[str, Any], inputs: Sequence[Named], outputs: Sequence[Named]) -> dict[str, Any]:
    """Return a rule as its form has it. What it names that is not there any more is left out."""
    return {
        "condition": [
            {
                "of": _key_of(each["peripheral"], str(each["quantityType"]), inputs),
                "negation": _YES if each.get("negation") else _NO,
                "hedge": each.get("hedge") or _NO,
                "word": f"{_CHANGE if each.get('delta') else ''}{each['fuzzyVariable']}",
            }
            for each in rule["condition"]
        ],
        "implication": [
            {"of": _key_of(each["peripheral"], each["command"], outputs), "word": each["fuzzyVariable"]}
            for each in rule["implication"]
        ],
        "schedules": [
            {"of": _key_of(each["peripheral"], each["command"], outputs), "schedule": each["schedule"]}
            for each in rule["schedules"]
        ],
        "activeFrom": rule["activeFrom"],
        "activeTo": rule["activeTo"],
    }


def rule_from_form(
    value: Mapping[str, Any], inputs: Sequence[Named], outputs: Sequence[Named]
) -> dict[str, Any]:
    """Return a rule from its form."""
    of_input = dict(zip(_keys(inputs), inputs, strict=True))
    of_output = dict(zip(_keys(outputs), outputs, strict=True))
    return {
        "condition": [
            {
                "peripheral": of_input[each["of"]].device,
                "quantityType": int(of_input[each["of"]].key),
                "fuzzyVariable": each["word"].removeprefix(_CHANGE),
                "negation": each["negation"] == _YES,
                "delta": each["word"].startswith(_CHANGE),
                "hedge": None if each["hedge"] == _NO else each["hedge"],
            }
            for each in value.get("condition", ())
        ],
        "implication": [
            {
                "peripheral": of_output[each["of"]].device,
                "command": of_output[each["of"]].key,
                "fuzzyVariable": each["word"],
            }
            for each in value.get("implication", ())
        ],
        "schedules": [
            {
                "peripheral": of_output[each["of"]].device,
                "command": of_output[each["of"]].key,
                "schedule": each["schedule"],
            }
            for each in value.get("schedules", ())
        ],
        "activeFrom": value["activeFrom"],
        "activeTo": value["activeTo"],
    }


def rule_fault(value: Any) -> SchemaFault | None:
    """Return what the schema of a rule cannot say."""
    if not value.get("condition"):
        message = gettext("Add a condition: a rule without one is never true.")
        return SchemaFault(place=("condition",), message=message)
    if not value.get("implication") and not value.get("schedules"):
        return SchemaFault(place=(), message=gettext("Add what the rule does: an output and its word."))
    return None


def _input_choices() -> tuple[list[str], list[str]]:
    values = [*INPUT_VARIABLES, *(f"{_CHANGE}{each}" for each in INPUT_VARIABLES)]
    names = [input_word(each, is_change=False) for each in INPUT_VARIABLES]
    return values, names + [input_word(each, is_change=True) for each in INPUT_VARIABLES]


def _keys(named: Sequence[Named]) -> list[str]:
    """Return a short key for each; names of devices may hold anything."""
    return [f"{each.key}@{each.device}" for each in named]


def _key_of(device: str, key: str, named: Sequence[Named]) -> str | None:
    return next(
        (f"{each.key}@{each.device}" for each in named if (each.device, each.key) == (device, key)), None
    )
