"""Validation of control rules: whether a kit can run them (kit-mqtt 5). Pure.

A kit checks nothing: unexpected rules crash its program at boot or at the first reading. So they are checked
here, in steps, because the front-end edits rules bit by bit, and in its own order:

    oversized_rules   rules that are too large to process; checked before anything that takes time
    misshapen_rules   values that no kit can read; checked whenever rules are written
    broken_rules      also references to missing inputs or outputs: the front-end deletes an input, or makes an
                      output scheduled, while rules still refer to it, and drops those parts on its next write

What also depends on the peripherals is checked by `usable_rules.py`, when the configuration is activated.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeGuard

import orjson

MOST_BYTES = 128 * 1024
"""For control rules as JSON. The front-end's rules have a few thousand bytes."""

MOST_LEVELS = 20
"""Of nesting; the deepest value that a kit reads is on the tenth level."""

MOST_FAULTS = 20
"""Reported at once; people fix them one by one anyway."""

INPUT_VARIABLES = ("largeNegative", "smallNegative", "nominal", "smallPositive", "largePositive")
OUTPUT_VARIABLES = ("minimal", "low", "medium", "high", "maximal")
HEDGES = ("very", "slightly")

LARGEST_NUMBER = 2**31 - 1
"""In control rules, either sign. A kit computes with them and crashes on what a float cannot hold."""

# Kit-local time of day. An offset or a Z crashes the kit's program.
_TIME_OF_DAY = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?", re.ASCII)
_NUMBER = f"a number from -{LARGEST_NUMBER} to {LARGEST_NUMBER} is expected"
_QUANTITY_TYPE = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFault:
    """A fault in control rules: its place, and what is expected there."""

    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}."


def is_time_of_day(value: object) -> bool:
    """Return whether this is a time of day as kits read it: `HH:MM` or `HH:MM:SS`."""
    return isinstance(value, str) and _TIME_OF_DAY.fullmatch(value) is not None


def oversized_rules(control_rules: object) -> tuple[RuleFault, ...]:
    """Return in what way control rules are too large to process further."""
    if len(orjson.dumps(control_rules)) > MOST_BYTES:
        return (rule_fault("controlRules", f"at most {MOST_BYTES} bytes of JSON are expected"),)
    level = [control_rules]
    for _ in range(MOST_LEVELS):
        level = [part for each in level for part in _parts(each)]
        if not level:
            return ()
    return (rule_fault("controlRules", f"at most {MOST_LEVELS} levels are expected"),)


def misshapen_rules(control_rules: object) -> tuple[RuleFault, ...]:
    """Return the faults in each part of control rules, regarded on its own."""
    return tuple(islice(_document_faults(control_rules), MOST_FAULTS))


def broken_rules(control_rules: object) -> tuple[RuleFault, ...]:
    """Return the faults in control rules that do not depend on the peripherals."""
    misshapen = misshapen_rules(control_rules)
    if misshapen:
        return misshapen
    assert isinstance(control_rules, dict)
    control = control_rules.get("fuzzyControl")
    return () if control is None else tuple(islice(_reference_faults(control), MOST_FAULTS))


def _parts(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _document_faults(control_rules: object) -> Iterator[RuleFault]:
    if not isinstance(control_rules, dict):
        yield rule_fault("controlRules", "an object is expected; {} means no control")
        return
    if "fuzzyControl" not in control_rules:
        return  # no control; kits ignore other keys
    control = control_rules["fuzzyControl"]
    place = "fuzzyControl"
    if not isinstance(control, dict):
        yield rule_fault(place, "an object with the keys input, output and rules is expected")
        return
    inputs, outputs, rules = control.get("input"), control.get("output"), control.get("rules")
    if not isinstance(inputs, dict) or not isinstance(outputs, dict) or not isinstance(rules, list):
        yield rule_fault(place, "input and output must be objects, and rules a list")
        return
    yield from _input_faults(inputs)
    yield from _output_faults(outputs)
    for index, rule in enumerate(rules):
        yield from _rule_faults(rule, f"{place}.rules[{index}]")


def _input_faults(inputs: dict[str, Any]) -> Iterator[RuleFault]:
    for name, quantities in inputs.items():
        place = f"fuzzyControl.input.{name}"
        if not isinstance(quantities, dict):
            yield rule_fault(place, "an object is expected, whose keys are ids of quantity types")
            continue
        for key, settings in quantities.items():
            yield from _one_input_faults(key, settings, f"{place}.{key}")


def _one_input_faults(key: str, settings: object, place: str) -> Iterator[RuleFault]:
    if not _QUANTITY_TYPE.fullmatch(key):
        yield rule_fault(place, "the key must be the id of a quantity type")
    if not isinstance(settings, dict):
        yield rule_fault(place, "an object is expected")
        return
    for name in ("nominalRange", "nominalDeltaRange"):
        if not is_number(settings.get(name)) or settings[name] <= 0:
            yield rule_fault(
                f"{place}.{name}", f"a number greater than 0 and of at most {LARGEST_NUMBER} is expected"
            )
    if not _is_integer(settings.get("deltaMeasurements")) or settings["deltaMeasurements"] < 1:
        yield rule_fault(f"{place}.deltaMeasurements", f"a whole number from 1 to {LARGEST_NUMBER} is expected")
    yield from _flag_faults(settings, "interpolated", place)
    yield from _times_faults(settings.get("setpoints"), f"{place}.setpoints", numbers_only=True)


def _output_faults(outputs: dict[str, Any]) -> Iterator[RuleFault]:
    for name, commands in outputs.items():
        place = f"fuzzyControl.output.{name}"
        if not isinstance(commands, dict):
            yield rule_fault(place, "an object is expected, whose keys are commands")
            continue
        for command, settings in commands.items():
            yield from _one_output_faults(settings, f"{place}.{command}")


def _one_output_faults(settings: object, place: str) -> Iterator[RuleFault]:
    if not isinstance(settings, dict) or settings.get("type") not in ("continuous", "scheduled"):
        yield rule_fault(place, "an object whose type is continuous or scheduled is expected")
        return
    details = settings.get(settings["type"])
    place = f"{place}.{settings['type']}"
    if not isinstance(details, dict):
        yield rule_fault(place, "an object is expected")
    elif settings["type"] == "continuous":
        for name in ("minimal", "maximal"):
            if not is_number(details.get(name)):
                yield rule_fault(f"{place}.{name}", _NUMBER)
    else:
        yield from _schedules_faults(details, place)


def _schedules_faults(details: dict[str, Any], place: str) -> Iterator[RuleFault]:
    yield from _flag_faults(details, "interpolated", place)
    schedules = details.get("schedules")
    if not isinstance(schedules, list) or not schedules:
        yield rule_fault(f"{place}.schedules", "a list of at least one schedule is expected")
        return
    # A kit does not interpolate between nulls; any other value that is not a number crashes its program.
    numbers_only = details.get("interpolated") is True
    for index, schedule in enumerate(schedules):
        here = f"{place}.schedules[{index}]"
        entries = schedule.get("schedule") if isinstance(schedule, dict) else None
        yield from _times_faults(entries, f"{here}.schedule", numbers_only=numbers_only, null_allowed=True)


def _times_faults(
    entries: object, place: str, *, numbers_only: bool, null_allowed: bool = False
) -> Iterator[RuleFault]:
    if not isinstance(entries, list) or not entries:
        yield rule_fault(place, "a list of at least one time and value is expected")
        return
    before = ""
    for index, entry in enumerate(entries):
        here = f"{place}[{index}]"
        if not isinstance(entry, dict) or "value" not in entry or not is_time_of_day(entry.get("time")):
            yield rule_fault(here, "a time as HH:MM:SS, without a time zone, and a value are expected")
            continue
        value = entry["value"]
        if numbers_only and not is_number(value) and not (null_allowed and value is None):
            yield rule_fault(f"{here}.value", _NUMBER)
        time = _with_seconds(entry["time"])
        if time <= before:
            yield rule_fault(here, "the times must ascend")
        before = time


def _rule_faults(rule: object, place: str) -> Iterator[RuleFault]:
    if not isinstance(rule, dict):
        yield rule_fault(place, "an object is expected")
        return
    for name, check in (
        ("condition", _condition_faults),
        ("implication", _implication_faults),
        ("schedules", _rule_schedule_faults),
    ):
        parts = rule.get(name)
        if not isinstance(parts, list):
            yield rule_fault(f"{place}.{name}", "a list is expected")
            continue
        for index, part in enumerate(parts):
            here = f"{place}.{name}[{index}]"
            if isinstance(part, dict):
                yield from check(part, here)
            else:
                yield rule_fault(here, "an object is expected")
    times = rule.get("activeFrom"), rule.get("activeTo")
    if not all(is_time_of_day(time) for time in times):
        yield rule_fault(place, "activeFrom and activeTo must be times as HH:MM:SS, without a time zone")
    elif _with_seconds(str(times[0])) > _with_seconds(str(times[1])):
        yield rule_fault(
            place, "activeFrom is later than activeTo, so it would never act; use two rules to cross midnight"
        )


def _condition_faults(condition: dict[str, Any], place: str) -> Iterator[RuleFault]:
    if not isinstance(condition.get("peripheral"), str) or not _is_integer(condition.get("quantityType")):
        yield rule_fault(place, "the name of a peripheral and the id of a quantity type are expected")
    yield from _word_faults(condition, "fuzzyVariable", INPUT_VARIABLES, place)
    if condition.get("hedge") is not None:
        yield from _word_faults(condition, "hedge", HEDGES, place)
    for name in ("negation", "delta"):
        if condition.get(name) is not None:
            yield from _flag_faults(condition, name, place)


def _implication_faults(implication: dict[str, Any], place: str) -> Iterator[RuleFault]:
    yield from _target_faults(implication, place)
    yield from _word_faults(implication, "fuzzyVariable", OUTPUT_VARIABLES, place)


def _rule_schedule_faults(choice: dict[str, Any], place: str) -> Iterator[RuleFault]:
    yield from _target_faults(choice, place)
    number = choice.get("schedule")
    if not _is_integer(number) or int(str(number)) < 1:
        yield rule_fault(f"{place}.schedule", "the number of a schedule is expected; the first is 1")


def _target_faults(part: dict[str, Any], place: str) -> Iterator[RuleFault]:
    if not isinstance(part.get("peripheral"), str) or not isinstance(part.get("command"), str):
        yield rule_fault(place, "the name of a peripheral and a command are expected")


def _reference_faults(control: dict[str, Any]) -> Iterator[RuleFault]:
    """Yield references to missing inputs or outputs, in rules of the right shape."""
    inputs, outputs = control["input"], control["output"]
    for number, rule in enumerate(control["rules"]):
        place = f"fuzzyControl.rules[{number}]"
        for index, condition in enumerate(rule["condition"]):
            name, quantity_type = condition["peripheral"], condition["quantityType"]
            if str(quantity_type) not in inputs.get(name, {}):
                message = f"quantity type {quantity_type} of {name} is not among the inputs"
                yield rule_fault(f"{place}.condition[{index}]", message)
        for index, implication in enumerate(rule["implication"]):
            if _output(implication, outputs).get("type") != "continuous":
                message = "the peripheral and command must be among the outputs, and continuous there"
                yield rule_fault(f"{place}.implication[{index}]", message)
        for index, choice in enumerate(rule["schedules"]):
            yield from _choice_faults(choice, _output(choice, outputs), f"{place}.schedules[{index}]")


def _choice_faults(choice: dict[str, Any], output: dict[str, Any], place: str) -> Iterator[RuleFault]:
    if output.get("type") != "scheduled":
        yield rule_fault(place, "the peripheral and command must be among the outputs, and scheduled there")
        return
    most = len(output["scheduled"]["schedules"])
    if choice["schedule"] > most:
        yield rule_fault(f"{place}.schedule", f"the number of a schedule is expected, from 1 to {most}")


def _output(part: dict[str, Any], outputs: dict[str, Any]) -> dict[str, Any]:
    settings: dict[str, Any] = outputs.get(part["peripheral"], {}).get(part["command"], {})
    return settings


def _flag_faults(settings: dict[str, Any], name: str, place: str) -> Iterator[RuleFault]:
    if not isinstance(settings.get(name), bool):
        yield rule_fault(f"{place}.{name}", "true or false is expected")


def _word_faults(
    settings: dict[str, Any], name: str, words: tuple[str, ...], place: str
) -> Iterator[RuleFault]:
    if settings.get(name) not in words:
        yield rule_fault(f"{place}.{name}", f"one of {', '.join(words)} is expected")


def is_number(value: object) -> TypeGuard[int | float]:
    """Return whether a kit can compute with this value."""
    # bool is a subclass of int.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST_NUMBER


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and is_number(value)


def _with_seconds(time: str) -> str:
    return time if len(time) == len("HH:MM:SS") else f"{time}:00"


def rule_fault(place: str, message: str) -> RuleFault:
    """Return a fault at this place: what is expected there, without a full stop."""
    return RuleFault(place=place, message=message)
