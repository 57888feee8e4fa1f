"""Which devices control rules name, and naming them anew. Pure: rules of any shape come through unharmed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def renamed_in_rules(control_rules: Any, before: str, after: str) -> Any:
    """Return the rules with another name for a device."""
    control = control_rules.get("fuzzyControl") if isinstance(control_rules, dict) else None
    if not isinstance(control, dict):
        return control_rules
    changed = dict(control)
    for part in ("input", "output"):
        devices = control.get(part)
        if isinstance(devices, dict) and before in devices and after not in devices:
            changed[part] = {after if name == before else name: value for name, value in devices.items()}
    rules = control.get("rules")
    if isinstance(rules, list):
        changed["rules"] = [_renamed_rule(rule, before, after) for rule in rules]
    return {**control_rules, "fuzzyControl": changed}


def rules_naming(control_rules: Any, name: str) -> list[int]:
    """Return the numbers, from 1, of the rules that name a device."""
    control = control_rules.get("fuzzyControl") if isinstance(control_rules, dict) else None
    rules = control.get("rules") if isinstance(control, dict) else None
    return [
        number
        for number, rule in enumerate(rules if isinstance(rules, list) else (), start=1)
        if any(
            part.get("peripheral") == name
            for _, parts in _lists(rule)
            for part in parts
            if isinstance(part, dict)
        )
    ]


def _renamed_rule(rule: Any, before: str, after: str) -> Any:
    if not isinstance(rule, dict):
        return rule
    return rule | {
        key: [
            part | {"peripheral": after}
            if isinstance(part, dict) and part.get("peripheral") == before
            else part
            for part in parts
        ]
        for key, parts in _lists(rule)
    }


def _lists(rule: Any) -> Iterator[tuple[str, list[Any]]]:
    for key in ("condition", "implication", "schedules"):
        parts = rule.get(key) if isinstance(rule, dict) else None
        if isinstance(parts, list):
            yield key, parts
