"""The forms of targets and outputs of control rules: their schemas, and the way to and from them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hortus.base.language.translation import gettext
from hortus.domain.kits.control_rules import LARGEST_NUMBER
from hortus.domain.kits.schemas import SchemaFault
from hortus.http.pages.kits.configuration.rule_schemas import Schema, object_schema, time_schema


def target_schema() -> Schema:
    """Return the schema of a target's form."""
    value: Schema = {"type": "number", "title": gettext("Value"), "default": 20}
    row = object_schema({"time": time_schema(gettext("From")), "value": value})
    return object_schema(
        {
            "setpoints": {"type": "array", "title": gettext("Target over the day"), "items": row},
            "interpolated": {
                "type": "boolean",
                "title": gettext("Slope from one value to the next, instead of a step"),
                "default": False,
            },
            "nominalRange": _above_zero(
                gettext("On target within"),
                gettext(
                    "At this distance from the target, “on target” is no longer true at all. Far below and far "
                    "above begin at about two and a half times as much."
                ),
                1,
            ),
            "nominalDeltaRange": _above_zero(
                gettext("Steady within"),
                gettext("A change of this size is no longer “steady” at all."),
                0.5,
            ),
            "deltaMeasurements": {
                "type": "integer",
                "title": gettext("Measurements compared"),
                "description": gettext(
                    "The change is the newest value minus the one this many measurements before."
                ),
                "minimum": 1,
                "maximum": LARGEST_NUMBER,
                "default": 3,
            },
        }
    )


def target_fault(settings: Any) -> SchemaFault | None:
    """Return what the schema of a target cannot say."""
    return _fault_of_times(settings["setpoints"], "setpoints")


def sorted_target(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return a target with its times in order, as kits need them."""
    return {**settings, "setpoints": sorted(settings["setpoints"], key=lambda entry: entry["time"])}


def continuous_schema(command_schema: Any) -> Schema:
    """Return the schema of a continuous output's form, with the limits of its command."""
    least, most = _limits(command_schema)
    shared: Schema = {"type": "number"}
    if least is not None:
        shared["minimum"] = least
    if most is not None:
        shared["maximum"] = most
    return object_schema(
        {
            "minimal": shared | {"title": gettext("Minimal means"), "default": 0 if least is None else least},
            "maximal": shared | {"title": gettext("Maximal means"), "default": 100 if most is None else most},
        }
    )


def continuous_fault(settings: Any) -> SchemaFault | None:
    """Return what the schema of a continuous output cannot say."""
    if settings["minimal"] <= settings["maximal"]:
        return None
    message = gettext("Maximal has to be at least minimal; a kit would else always send minimal.")
    return SchemaFault(place=("maximal",), message=message)


def scheduled_schema(command_schema: Any) -> Schema:
    """Return the schema of a scheduled output's form: the entries of all schedules, each with its number."""
    value = dict(command_schema) if isinstance(command_schema, dict) else {}
    value |= {"title": gettext("Value")}
    if value.get("type") in {"number", "integer"}:
        value.setdefault("default", value.get("minimum", 0))
    number = {"type": "integer", "title": gettext("Schedule"), "minimum": 1, "maximum": 50, "default": 1}
    row = object_schema({"schedule": number, "time": time_schema(gettext("From")), "value": value})
    return object_schema(
        {
            "entries": {
                "type": "array",
                "title": gettext("Schedules"),
                "description": gettext("Schedules are numbered from 1. Without a rule, the last one is used."),
                "items": row,
            },
            "interpolated": {
                "type": "boolean",
                "title": gettext("Slope from one value to the next, instead of a step"),
                "default": False,
            },
        }
    )


def scheduled_to_form(scheduled: Mapping[str, Any]) -> dict[str, Any]:
    """Return a scheduled output as its form has it."""
    entries = [
        {"schedule": number, **entry}
        for number, schedule in enumerate(scheduled["schedules"], start=1)
        for entry in schedule["schedule"]
    ]
    return {"entries": entries, "interpolated": scheduled["interpolated"]}


def scheduled_from_form(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a scheduled output from its form, with its times in order."""
    schedules = []
    for number in sorted({entry["schedule"] for entry in value["entries"]}):
        entries = [entry for entry in value["entries"] if entry["schedule"] == number]
        entries.sort(key=lambda entry: entry["time"])
        schedules.append({"schedule": [{"time": each["time"], "value": each["value"]} for each in entries]})
    return {"interpolated": value["interpolated"], "schedules": schedules}


def scheduled_fault(value: Any) -> SchemaFault | None:
    """Return what the schema of a scheduled output cannot say."""
    entries = value["entries"]
    numbers = sorted({entry["schedule"] for entry in entries})
    if numbers != list(range(1, len(numbers) + 1)) or not numbers:
        message = gettext("Number the schedules from 1, without a gap.")
        return SchemaFault(place=("entries",), message=message)
    seen = set()
    for index, entry in enumerate(entries):
        if (entry["schedule"], entry["time"]) in seen:
            return SchemaFault(place=("entries", index, "time"), message=_twice())
        seen.add((entry["schedule"], entry["time"]))
    return None


def _fault_of_times(entries: Sequence[Mapping[str, Any]], key: str) -> SchemaFault | None:
    if not entries:
        return SchemaFault(place=(key,), message=gettext("Add at least one time and value."))
    seen = set()
    for index, entry in enumerate(entries):
        if entry["time"] in seen:
            return SchemaFault(place=(key, index, "time"), message=_twice())
        seen.add(entry["time"])
    return None


def _twice() -> str:
    return gettext("This time is there twice. Each time has one value.")


def _limits(schema: Any) -> tuple[Any, Any]:
    return (schema.get("minimum"), schema.get("maximum")) if isinstance(schema, dict) else (None, None)


def _above_zero(title: str, description: str, default: float) -> Schema:
    return {
        "type": "number",
        "title": title,
        "description": description,
        "minimum": 0.001,
        "maximum": LARGEST_NUMBER,
        "default": default,
    }
