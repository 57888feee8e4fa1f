"""Changing control rules part by part: targets, outputs and rules. Pure; what kits do not read is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hortus.domain.kits.control_rules import misshapen_rules

_EMPTY: Mapping[str, Any] = {"input": {}, "output": {}, "rules": []}
DAY_BEGINS, DAY_ENDS = "00:00:00", "23:59:59"


def control_of(control_rules: Any) -> Mapping[str, Any]:
    """Return the fuzzy control of rules without misshapen parts, with all three parts."""
    if misshapen_rules(control_rules):
        return _EMPTY
    control: Mapping[str, Any] = control_rules.get("fuzzyControl", _EMPTY)
    return control


def with_part(control_rules: Any, of: str, device: str, key: str, settings: Mapping[str, Any]) -> Any:
    """Return the rules with these settings of a target (`input`) or an output (`output`)."""
    control = control_of(control_rules)
    devices = dict(control[of])
    devices[device] = {**devices.get(device, {}), key: settings}
    return _with(control_rules, {**control, of: devices})


def without_part(control_rules: Any, of: str, device: str, key: str) -> Any:
    """Return the rules without this target or output. Rules that name it stay."""
    control = control_of(control_rules)
    devices = dict(control[of])
    settings = {name: value for name, value in devices.get(device, {}).items() if name != key}
    if settings:
        devices[device] = settings
    else:
        devices.pop(device, None)
    return _with(control_rules, {**control, of: devices})


def with_rule(control_rules: Any, number: int | None, rule: Mapping[str, Any]) -> tuple[Any, int]:
    """Return the rules with this one in the place of a rule, from 1, or at the end; and how many it became."""
    control = control_of(control_rules)
    rules = list(control["rules"])
    parts = split_at_midnight(rule)
    at = len(rules) if number is None else number - 1
    rules[at : at + 1] = parts
    return _with(control_rules, {**control, "rules": rules}), len(parts)


def without_rule(control_rules: Any, number: int) -> Any:
    """Return the rules without the rule of this number, from 1."""
    control = control_of(control_rules)
    rules = [rule for index, rule in enumerate(control["rules"], start=1) if index != number]
    return _with(control_rules, {**control, "rules": rules})


def split_at_midnight(rule: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return a rule that crosses midnight as two: a kit never acts on one that ends before it begins."""
    begins, ends = rule["activeFrom"], rule["activeTo"]
    if begins <= ends:
        return [rule]
    return [{**rule, "activeTo": DAY_ENDS}, {**rule, "activeFrom": DAY_BEGINS}]


def _with(control_rules: Any, control: Mapping[str, Any]) -> Any:
    kept = control_rules if isinstance(control_rules, dict) else {}
    return {**kept, "fuzzyControl": {**kept.get("fuzzyControl", {}), **control}}
