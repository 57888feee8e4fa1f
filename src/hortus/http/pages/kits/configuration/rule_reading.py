"""What the pages of rules show: targets, outputs, rules in words, and what they would do over a day."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request

from hortus.domain.kits.control_rules import broken_rules
from hortus.domain.kits.rule_editing import control_of
from hortus.domain.kits.rule_evaluation import InputKey, OutputKey, scaled, simulated_day, value_at
from hortus.http.pages.kits.configuration.reading import OpenedConfiguration, ShownDefinition
from hortus.http.pages.kits.configuration.rule_drawing import (
    Curve,
    curve_of_entries,
    curve_of_target,
    curve_of_values,
)
from hortus.http.pages.kits.configuration.rule_forms import Named
from hortus.http.pages.kits.configuration.rule_words import (
    active_text,
    condition_sentence,
    effect_sentences,
    input_name,
    nearest_word,
    output_name,
    sent_text,
    short_clock,
)
from hortus.http.pages.kits.opened import OpenedKit
from hortus.http.pages.schema_forms.kinds import properties_of
from hortus.http.pages.schema_forms.texts import number_text
from hortus.http.pages.wording import quantity_name

SHOWN_AT = (0, 6 * 3600, 12 * 3600, 18 * 3600, 22 * 3600)
_STEP_SECONDS = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownTarget:
    """A target. `supposed` is what the calculation takes it to measure; `now` the last reading, if any."""

    named: Named
    unit: str
    curve: Curve | None
    settings: Mapping[str, Any]
    supposed: str
    latest: float | None
    word: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownOutput:
    """An output, with the curve of each of its schedules if it has any."""

    named: Named
    settings: Mapping[str, Any]
    curves: Sequence[Curve | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRule:
    """A rule in words."""

    number: int
    conditions: Sequence[str]
    effects: Sequence[str]
    active: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownDay:
    """What the rules would do: a row for some moments, and a curve for each output."""

    outputs: Sequence[str]
    rows: Sequence[tuple[str, Sequence[str]]]
    curves: Sequence[tuple[str, Curve]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRules:
    """The rules of a configuration, and what could be added."""

    targets: Sequence[ShownTarget]
    outputs: Sequence[ShownOutput]
    rules: Sequence[ShownRule]
    day: ShownDay | None
    possible_targets: Sequence[Named]
    possible_outputs: Sequence[Named]


def possible_inputs(
    opened: OpenedConfiguration, definitions: Mapping[int, ShownDefinition]
) -> list[tuple[Named, str]]:
    """Return each quantity that a device of the configuration measures, with its unit."""
    return [
        (
            Named(
                device=row["name"],
                key=str(each.id),
                name=input_name(row["name"], quantity_name(each.quantity)),
            ),
            each.unit,
        )
        for row in opened.peripherals
        for each in definitions[row["peripheral_definition_id"]].quantities
    ]


def possible_outputs(opened: OpenedConfiguration) -> list[tuple[Named, Any]]:
    """Return each command that rules may send to a device, with the schema of its value."""
    return [
        (
            Named(device=device.name, key=command, name=output_name(device.name, command)),
            properties_of(device.definition.command_schema).get(command),
        )
        for device in opened.devices
        for command in sorted(device.definition.commands)
    ]


def quantities_by_id(definitions: Mapping[int, ShownDefinition]) -> dict[int, str]:
    """Return the names of quantities by their ids."""
    return {
        each.id: quantity_name(each.quantity)
        for definition in definitions.values()
        for each in definition.quantities
    }


async def shown_rules(
    connection: AsyncConnection,
    kit: OpenedKit,
    request: Request,
    opened: OpenedConfiguration,
    definitions: Mapping[int, ShownDefinition],
    now: datetime,
) -> ShownRules:
    """Return the rules of a configuration for its page."""
    control = control_of(opened.row["control_rules"])
    inputs, outputs = possible_inputs(opened, definitions), possible_outputs(opened)
    quantities = quantities_by_id(definitions)
    units = {(named.device, named.key): unit for named, unit in inputs}
    seconds = _second_of_day(kit, now)
    targets, supposed = [], {}
    for number, (device, key, settings) in enumerate(_parts(control, "input")):
        latest = await _latest(connection, kit.id, device, int(key))
        typed = request.query_params.get(f"s{number}", "")
        value = _number(typed)
        value = latest if value is None else value
        if value is not None:
            supposed[device, int(key)] = value
        targets.append(_shown_target(device, key, settings, quantities, units, latest, value, seconds))
    shown_outputs = [
        _shown_output(device, key, settings) for device, key, settings in _parts(control, "output")
    ]
    day = None
    if control["rules"] and not broken_rules(opened.row["control_rules"]):
        # In a thread: it takes some tens of milliseconds for many rules.
        day = await asyncio.to_thread(_day, control, supposed)
    known_targets = {(each.named.device, each.named.key) for each in targets}
    known_outputs = {(each.named.device, each.named.key) for each in shown_outputs}
    return ShownRules(
        targets=targets,
        outputs=shown_outputs,
        rules=[_shown_rule(number, rule, quantities) for number, rule in enumerate(control["rules"], start=1)],
        day=day,
        possible_targets=[named for named, _ in inputs if (named.device, named.key) not in known_targets],
        possible_outputs=[named for named, _ in outputs if (named.device, named.key) not in known_outputs],
    )


def named_targets(control: Mapping[str, Any], quantities: Mapping[int, str]) -> list[Named]:
    """Return the targets of the rules."""
    return [_named_target(device, key, quantities) for device, key, _ in _parts(control, "input")]


def named_outputs(control: Mapping[str, Any], kind: str) -> list[Named]:
    """Return the outputs of this type: continuous or scheduled."""
    return [
        Named(device=device, key=key, name=output_name(device, key))
        for device, key, settings in _parts(control, "output")
        if settings["type"] == kind
    ]


def _parts(control: Mapping[str, Any], of: str) -> list[tuple[str, str, Mapping[str, Any]]]:
    return [(device, key, settings) for device, parts in control[of].items() for key, settings in parts.items()]


def _named_target(device: str, key: str, quantities: Mapping[int, str]) -> Named:
    return Named(device=device, key=key, name=input_name(device, quantities.get(int(key), key)))


def _shown_target(
    device: str,
    key: str,
    settings: Mapping[str, Any],
    quantities: Mapping[int, str],
    units: Mapping[tuple[str, str], str],
    latest: float | None,
    value: float | None,
    seconds: int,
) -> ShownTarget:
    word = ""
    if latest is not None:
        target = value_at(settings["setpoints"], seconds, interpolated=settings["interpolated"])
        word = nearest_word(scaled(latest - target, settings["nominalRange"]))
    return ShownTarget(
        named=_named_target(device, key, quantities),
        unit=units.get((device, key), ""),
        curve=curve_of_target(settings),
        settings=settings,
        supposed="" if value is None else number_text(round(value, 2)),
        latest=latest,
        word=word,
    )


def _shown_output(device: str, command: str, settings: Mapping[str, Any]) -> ShownOutput:
    curves: list[Curve | None] = []
    if settings["type"] == "scheduled":
        interpolated = bool(settings["scheduled"]["interpolated"])
        curves = [
            curve_of_entries(each["schedule"], interpolated=interpolated)
            for each in settings["scheduled"]["schedules"]
        ]
    named = Named(device=device, key=command, name=output_name(device, command))
    return ShownOutput(named=named, settings=settings, curves=curves)


def _shown_rule(number: int, rule: Mapping[str, Any], quantities: Mapping[int, str]) -> ShownRule:
    return ShownRule(
        number=number,
        conditions=[condition_sentence(each, quantities) for each in rule["condition"]],
        effects=effect_sentences(rule),
        active=active_text(rule),
    )


def _day(control: Mapping[str, Any], supposed: Mapping[InputKey, float]) -> ShownDay:
    moments = list(simulated_day(control, supposed, step_seconds=_STEP_SECONDS))
    outputs: list[OutputKey] = list(moments[0].outputs)
    curves = []
    for key in outputs:
        curve = curve_of_values((moment.seconds, moment.outputs[key]) for moment in moments)
        if curve is not None:
            curves.append((output_name(*key), curve))
    return ShownDay(
        outputs=[output_name(*key) for key in outputs],
        rows=[
            (short_clock(moment.seconds), [sent_text(moment.outputs[key]) for key in outputs])
            for moment in moments
            if moment.seconds in SHOWN_AT
        ],
        curves=curves,
    )


def _number(text: str) -> float | None:
    try:
        value = float(text.replace(",", ".").replace("−", "-")) if len(text) < 20 else None
    except ValueError:
        return None
    return value if value is not None and abs(value) < 1e9 else None


def _second_of_day(kit: OpenedKit, now: datetime) -> int:
    local = now.astimezone(kit.zone)
    return int(local.hour * 3600 + local.minute * 60 + local.second)


async def _latest(connection: AsyncConnection, kit_id: int, device: str, quantity_type: int) -> float | None:
    parameters = {"kit_id": kit_id, "device": device, "quantity_type": quantity_type}
    value: float | None = await connection.scalar(_LATEST, parameters)
    return value


_LATEST = text(
    """
    SELECT m.value FROM raw_measurements m
    JOIN peripherals p ON p.id = m.peripheral_id AND p.deleted_at IS NULL
    WHERE m.kit_id = :kit_id AND p.name = :device AND m.quantity_type_id = :quantity_type
      AND m.datetime > now() - interval '1 day' AND m.datetime <= now() + interval '1 minute'
    ORDER BY m.datetime DESC LIMIT 1
    """
)
