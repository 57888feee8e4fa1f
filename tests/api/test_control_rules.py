"""Control rules: what kits can run passes, and every single change that would crash a kit is found.

The example is one for kit-mqtt 5, which was run with the kit's own program.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hortus.domain.kits.control_rules import (
    HEDGES,
    INPUT_VARIABLES,
    MOST_FAULTS,
    OUTPUT_VARIABLES,
    broken_rules,
    is_time_of_day,
    misshapen_rules,
)
from hortus.domain.kits.usable_rules import ControlledPeripheral, unusable_rules

DAY = {"activeFrom": "00:00:00", "activeTo": "23:59:59"}
EXAMPLE: dict[str, Any] = {
    "fuzzyControl": {
        "input": {
            "Climate": {
                "1": {
                    "nominalRange": 1.0,
                    "nominalDeltaRange": 0.2,
                    "deltaMeasurements": 3,
                    "interpolated": True,
                    "setpoints": [
                        {"time": "00:00:00", "value": 19.0},
                        {"time": "07:00", "value": 24},
                        {"time": "20:00:00", "value": 21.0},
                    ],
                }
            }
        },
        "output": {
            "Heater": {"heat": {"type": "continuous", "continuous": {"minimal": 0, "maximal": 100}}},
            "Night heater": {
                "heat": {
                    "type": "scheduled",
                    "scheduled": {
                        "interpolated": False,
                        "schedules": [
                            {"schedule": [{"time": "06:00:00", "value": 60}, {"time": "22:00:00", "value": 0}]},
                            {"schedule": [{"time": "08:00:00", "value": 20.5}]},
                        ],
                    },
                }
            },
        },
        "rules": [
            {
                "condition": [
                    {
                        "peripheral": "Climate",
                        "quantityType": 1,
                        "fuzzyVariable": "largeNegative",
                        "negation": False,
                        "delta": True,
                        "hedge": "slightly",
                    }
                ],
                "implication": [{"peripheral": "Heater", "command": "heat", "fuzzyVariable": "maximal"}],
                "schedules": [{"peripheral": "Night heater", "command": "heat", "schedule": 2}],
                **DAY,
            },
            {"condition": [], "implication": [], "schedules": [], **DAY},
        ],
    }
}


def controlled(command: str = "heat") -> ControlledPeripheral:
    schema = {"type": "object", "properties": {command: {"type": "number", "minimum": 0, "maximum": 100}}}
    return ControlledPeripheral(definition_name="Heater", commands=frozenset({command}), command_schema=schema)


HEATER = controlled()
SENSOR = ControlledPeripheral(definition_name="Barometer", commands=frozenset(), command_schema=None)
DEVICES = {"Climate": SENSOR, "Heater": HEATER, "Night heater": HEATER}
KNOWN_TYPES = frozenset({1, 2, 3})

CLIMATE = ("fuzzyControl", "input", "Climate", "1")
CONTINUOUS = ("fuzzyControl", "output", "Heater", "heat")
SCHEDULED = ("fuzzyControl", "output", "Night heater", "heat")
RULE = ("fuzzyControl", "rules", 0)

Path = tuple[Any, ...]


def test_the_example_of_the_contract_can_be_run() -> None:
    assert broken_rules(EXAMPLE) == ()
    assert unusable_rules(EXAMPLE, DEVICES, KNOWN_TYPES) == ()


@pytest.mark.parametrize(
    "harmless", [{}, {"other": 1}, {"fuzzyControl": {"input": {}, "output": {}, "rules": []}}]
)
def test_no_control_is_fine(harmless: Any) -> None:
    assert unusable_rules(harmless, {}, frozenset()) == ()


def changed(path: Path, value: Any) -> Any:
    document = copy.deepcopy(EXAMPLE)
    place = document
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    return document


def without(path: Path) -> Any:
    document = copy.deepcopy(EXAMPLE)
    place = document
    for part in path[:-1]:
        place = place[part]
    del place[path[-1]]
    return document


BROKEN: list[tuple[Path, Any]] = [
    ((*CLIMATE, "nominalRange"), 0),
    ((*CLIMATE, "nominalRange"), True),
    ((*CLIMATE, "nominalDeltaRange"), -0.1),
    ((*CLIMATE, "deltaMeasurements"), 0),
    ((*CLIMATE, "deltaMeasurements"), 1.0),
    ((*CLIMATE, "deltaMeasurements"), 2**31),
    ((*CLIMATE, "setpoints", 0, "value"), 1e300),
    ((*CONTINUOUS, "continuous", "minimal"), -(10**400)),
    ((*CLIMATE, "interpolated"), 1),
    ((*CLIMATE, "setpoints"), []),
    ((*CLIMATE, "setpoints", 0), 5),
    ((*CLIMATE, "setpoints", 0, "time"), "00:00:00Z"),
    ((*CLIMATE, "setpoints", 0, "time"), "24:00"),
    ((*CLIMATE, "setpoints", 0, "time"), "7:00"),
    ((*CLIMATE, "setpoints", 0, "time"), "12:00:00\n"),
    ((*CLIMATE, "setpoints", 0, "value"), None),
    ((*CLIMATE, "setpoints", 1, "time"), "00:00"),
    ((*CLIMATE, "setpoints", 1, "time"), "21:00"),
    (("fuzzyControl", "input", "Climate", "one"), EXAMPLE["fuzzyControl"]["input"]["Climate"]["1"]),
    (("fuzzyControl", "input", "Other"), []),
    ((*CONTINUOUS, "type"), "sometimes"),
    ((*CONTINUOUS, "type"), "scheduled"),
    ((*CONTINUOUS, "continuous", "minimal"), "0"),
    ((*SCHEDULED, "scheduled", "interpolated"), "yes"),
    ((*SCHEDULED, "scheduled", "schedules"), []),
    ((*SCHEDULED, "scheduled", "schedules", 0, "schedule"), []),
    ((*SCHEDULED, "scheduled", "schedules", 0), None),
    ((*RULE, "condition", 0, "peripheral"), "Heater"),
    ((*RULE, "condition", 0, "quantityType"), 2),
    ((*RULE, "condition", 0, "quantityType"), "1"),
    ((*RULE, "condition", 0, "fuzzyVariable"), "maximal"),
    ((*RULE, "condition", 0, "hedge"), "somewhat"),
    ((*RULE, "condition", 0, "negation"), "no"),
    ((*RULE, "condition", 0), "always"),
    ((*RULE, "implication", 0, "command"), "cool"),
    ((*RULE, "implication", 0, "peripheral"), "Night heater"),
    ((*RULE, "implication", 0, "fuzzyVariable"), "nominal"),
    ((*RULE, "schedules", 0, "schedule"), 0),
    ((*RULE, "schedules", 0, "schedule"), 3),
    ((*RULE, "schedules", 0, "schedule"), 1.0),
    ((*RULE, "schedules", 0, "peripheral"), "Heater"),
    ((*RULE, "activeFrom"), "06:00:00+01:00"),
    ((*RULE, "activeTo"), None),
    ((*RULE, "activeFrom"), "23:59:60"),
    (("fuzzyControl", "rules", 0), None),
    (("fuzzyControl", "rules"), {}),
]


@pytest.mark.parametrize(("path", "value"), BROKEN, ids=lambda each: json.dumps(each)[-60:])
def test_a_change_that_kits_cannot_bear_is_found(path: Path, value: Any) -> None:
    faults = broken_rules(changed(path, value))
    assert faults
    assert all(fault.place and fault.message for fault in faults)


def paths(value: Any, here: Path = ()) -> Iterator[Path]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield (*here, key)
        yield from paths(member, (*here, key))


# What may be left out: names that people choose, entries of lists, and what kit-mqtt 5 calls optional.
OPTIONAL = {"negation", "delta", "hedge", "fuzzyControl"}
REQUIRED = [path for path in paths(EXAMPLE) if isinstance(path[-1], str) and path[-1] not in OPTIONAL]


@pytest.mark.parametrize("path", REQUIRED, ids=lambda path: ".".join(map(str, path))[-60:])
def test_whatever_a_kit_reads_must_be_there(path: Path) -> None:
    # Where an input or output itself is left out, the rules that refer to it are what is broken.
    assert broken_rules(without(path))


# What the front-end writes on the way: it edits inputs, outputs and rules one by one, and drops the parts of
# rules that refer to nothing when it writes next.
DANGLING = [
    without(("fuzzyControl", "input", "Climate")),
    without(CLIMATE),
    without(("fuzzyControl", "output", "Heater")),
    changed(CONTINUOUS, EXAMPLE["fuzzyControl"]["output"]["Night heater"]["heat"]),
    changed(SCHEDULED, EXAMPLE["fuzzyControl"]["output"]["Heater"]["heat"]),
    without((*SCHEDULED, "scheduled", "schedules", 1)),
]


@pytest.mark.parametrize("document", DANGLING, ids=range(len(DANGLING)))
def test_rules_that_refer_to_what_was_just_edited_are_of_the_right_shape_but_broken(document: Any) -> None:
    assert misshapen_rules(document) == ()
    [fault] = broken_rules(document)
    assert fault.place.startswith("fuzzyControl.rules[0].")
    assert unusable_rules(document, DEVICES, KNOWN_TYPES) == (fault,)


def test_a_night_needs_two_rules() -> None:
    document = changed((*RULE, "activeFrom"), "22:00")
    document["fuzzyControl"]["rules"][0]["activeTo"] = "06:00"
    [fault] = broken_rules(document)
    assert "two rules" in fault.message


@pytest.mark.parametrize(
    ("devices", "known_types", "place"),
    [
        ({"Heater": HEATER, "Night heater": HEATER}, KNOWN_TYPES, "fuzzyControl.input.Climate"),
        (
            {**DEVICES, "Heater": controlled("cool")},
            KNOWN_TYPES,
            "fuzzyControl.output.Heater.heat",
        ),
        ({"Climate": HEATER, "Heater": HEATER}, KNOWN_TYPES, "fuzzyControl.output.Night heater"),
        (DEVICES, frozenset({2}), "fuzzyControl.input.Climate.1"),
    ],
)
def test_rules_need_the_peripherals_that_they_name(
    devices: dict[str, ControlledPeripheral], known_types: frozenset[int], place: str
) -> None:
    [fault] = unusable_rules(EXAMPLE, devices, known_types)
    assert fault.place == place
    assert str(fault).startswith(place)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(document=JSON)
def test_any_document_gets_a_verdict_and_not_too_many_words(document: Any) -> None:
    assert len(broken_rules(document)) <= MOST_FAULTS
    assert len(unusable_rules(document, DEVICES, KNOWN_TYPES)) <= MOST_FAULTS


ALL_PATHS = list(paths(EXAMPLE))


@settings(max_examples=400)
@given(path=st.sampled_from(ALL_PATHS), value=JSON)
def test_any_value_anywhere_gets_a_verdict_that_a_kit_would_share(path: Path, value: Any) -> None:
    document = changed(path, value)
    if not broken_rules(document):
        run_as_a_kit_would(document)


def run_as_a_kit_would(document: Any) -> None:
    """Read everything that a kit reads (kit-mqtt 5), with as little care; raises where a kit would crash."""
    if "fuzzyControl" not in document:
        return
    control = document["fuzzyControl"]
    inputs, outputs = control["input"], control["output"]
    for quantities in inputs.values():
        for key, settings_ in quantities.items():
            assert int(key) > 0
            0.4 / settings_["nominalRange"] + 0.4 / settings_["nominalDeltaRange"]
            assert range(settings_["deltaMeasurements"])
            read_times(settings_["setpoints"], lambda value: value + 0.0)
    for commands in outputs.values():
        for settings_ in commands.values():
            if settings_["type"] == "continuous":
                settings_["continuous"]["maximal"] - settings_["continuous"]["minimal"]
            else:
                assert settings_["type"] == "scheduled"
                scheduled = settings_["scheduled"]
                for schedule in scheduled["schedules"]:
                    numeric = scheduled["interpolated"]
                    read_times(
                        schedule["schedule"],
                        lambda value, numeric=numeric: value + 0.0 if numeric and value is not None else value,
                    )
    for rule in control["rules"]:
        for condition in rule["condition"]:
            inputs[condition["peripheral"]][str(condition["quantityType"])]
            assert condition["fuzzyVariable"] in INPUT_VARIABLES
            assert condition.get("hedge") in (None, *HEDGES)
        for implication in rule["implication"]:
            assert outputs[implication["peripheral"]][implication["command"]]["type"] == "continuous"
            assert implication["fuzzyVariable"] in OUTPUT_VARIABLES
        for choice in rule["schedules"]:
            scheduled = outputs[choice["peripheral"]][choice["command"]]["scheduled"]
            scheduled["schedules"][choice["schedule"] - 1]
        assert is_time_of_day(rule["activeFrom"])
        assert is_time_of_day(rule["activeTo"])


def read_times(entries: list[Any], use: Callable[[Any], Any]) -> None:
    entries[-1]
    for entry in entries:
        hours, minutes = entry["time"].split(":")[:2]
        assert 0 <= int(hours) < 24
        assert 0 <= int(minutes) < 60
        use(entry["value"])
