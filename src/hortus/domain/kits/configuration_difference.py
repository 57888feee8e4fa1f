"""What differs between two configurations: their devices, settings and control rules. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from enum import StrEnum
from typing import Any

import orjson

from hortus.domain.kits.devices import ConfiguredDevice

Place = tuple[str, ...]


class Change(StrEnum):
    """What happened to a part."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingChange:
    """A setting by the keys that lead to it. Before or after are ABSENT if it was not there."""

    place: Place
    before: Any
    after: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceChange:
    """A device that was added, removed, or has other settings or another name (`before_name`)."""

    change: Change
    name: str
    before_name: str
    definition: str
    settings: tuple[SettingChange, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PartChange:
    """A target or an output of the rules, by peripheral and quantity type or command."""

    change: Change
    peripheral: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleChange:
    """A rule by its number from 1: that of a removed one before, of all others after."""

    change: Change
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What has to be done to the one configuration to get the other."""

    devices: Sequence[DeviceChange] = field(default_factory=tuple)
    targets: Sequence[PartChange] = field(default_factory=tuple)
    outputs: Sequence[PartChange] = field(default_factory=tuple)
    rules: Sequence[RuleChange] = field(default_factory=tuple)
    only_other_keys: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether both do the same."""
        return not (self.devices or self.targets or self.outputs or self.rules or self.only_other_keys)


class _Absent:
    """Stands for a setting that is not there, where null is a value."""


ABSENT = _Absent()


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a configuration does."""

    devices: Sequence[ConfiguredDevice]
    control_rules: Any


def difference(before: Content, after: Content) -> Difference:
    """Return what differs."""
    old, new = _control(before.control_rules), _control(after.control_rules)
    found = Difference(
        devices=tuple(_device_changes(before.devices, after.devices)),
        targets=tuple(_part_changes(old, new, "input")),
        outputs=tuple(_part_changes(old, new, "output")),
        rules=tuple(_rule_changes(_list(old, "rules"), _list(new, "rules"))),
    )
    if found.is_empty and _same(before.control_rules) != _same(after.control_rules):
        return Difference(only_other_keys=True)
    return found


def setting_changes(before: Any, after: Any) -> tuple[SettingChange, ...]:
    """Return the settings of a device that differ. A list is one setting."""
    old, new = dict(_leaves(before, ())), dict(_leaves(after, ()))
    return tuple(
        SettingChange(place=place, before=old.get(place, ABSENT), after=new.get(place, ABSENT))
        for place in {**old, **new}
        if _same(old.get(place, ABSENT)) != _same(new.get(place, ABSENT))
    )


def _device_changes(
    before: Sequence[ConfiguredDevice], after: Sequence[ConfiguredDevice]
) -> Iterator[DeviceChange]:
    pairs, removed, added = _matched(before, after)
    for old, new in pairs:
        settings = setting_changes(old.configuration, new.configuration)
        if settings or old.name != new.name:
            yield _device_change(Change.CHANGED, new, old.name, settings)
    for device in removed:
        yield _device_change(Change.REMOVED, device, device.name)
    for device in added:
        yield _device_change(Change.ADDED, device, device.name)


def _device_change(
    change: Change, device: ConfiguredDevice, before_name: str, settings: tuple[SettingChange, ...] = ()
) -> DeviceChange:
    return DeviceChange(
        change=change,
        name=device.name,
        before_name=before_name,
        definition=device.definition.name,
        settings=settings,
    )


def _matched(
    before: Iterable[ConfiguredDevice], after: Iterable[ConfiguredDevice]
) -> tuple[list[tuple[ConfiguredDevice, ConfiguredDevice]], list[ConfiguredDevice], list[ConfiguredDevice]]:
    """Pair devices of the same name and definition, then those that are the same but for their names."""
    left, right = list(before), list(after)
    pairs = []
    for same in (_named_alike, _set_alike):
        for old in list(left):
            new = next((each for each in right if same(old, each)), None)
            if new is not None:
                pairs.append((old, new))
                left.remove(old)
                right.remove(new)
    return pairs, left, right


def _named_alike(old: ConfiguredDevice, new: ConfiguredDevice) -> bool:
    return (old.name, old.definition.id) == (new.name, new.definition.id)


def _set_alike(old: ConfiguredDevice, new: ConfiguredDevice) -> bool:
    same_settings = _same(old.configuration) == _same(new.configuration)
    return old.definition.id == new.definition.id and same_settings


def _part_changes(old: Mapping[str, Any], new: Mapping[str, Any], of: str) -> Iterator[PartChange]:
    before, after = dict(_parts(old, of)), dict(_parts(new, of))
    for place in {**before, **after}:
        if place not in before:
            change = Change.ADDED
        elif place not in after:
            change = Change.REMOVED
        elif _same(before[place]) != _same(after[place]):
            change = Change.CHANGED
        else:
            continue
        yield PartChange(change=change, peripheral=place[0], key=place[1])


def _parts(control: Mapping[str, Any], of: str) -> Iterator[tuple[tuple[str, str], Any]]:
    devices = control.get(of)
    for name, settings in devices.items() if isinstance(devices, dict) else ():
        for key, value in settings.items() if isinstance(settings, dict) else ():
            yield (name, key), value


def _rule_changes(before: list[Any], after: list[Any]) -> Iterator[RuleChange]:
    matcher = SequenceMatcher(None, [_same(r) for r in before], [_same(r) for r in after], autojunk=False)
    for act, old_from, old_to, new_from, new_to in matcher.get_opcodes():
        if act == "equal":
            continue
        both = min(old_to - old_from, new_to - new_from)
        for number in range(new_from, new_from + both):
            yield RuleChange(change=Change.CHANGED, number=number + 1)
        for number in range(new_from + both, new_to):
            yield RuleChange(change=Change.ADDED, number=number + 1)
        for number in range(old_from + both, old_to):
            yield RuleChange(change=Change.REMOVED, number=number + 1)


def _leaves(value: Any, place: Place) -> Iterator[tuple[Place, Any]]:
    if isinstance(value, dict) and value:
        for key, part in value.items():
            yield from _leaves(part, (*place, str(key)))
    elif value is not None or place:
        yield place, value


def _control(control_rules: Any) -> Mapping[str, Any]:
    control = control_rules.get("fuzzyControl") if isinstance(control_rules, dict) else None
    return control if isinstance(control, dict) else {}


def _list(control: Mapping[str, Any], key: str) -> list[Any]:
    value = control.get(key)
    return value if isinstance(value, list) else []


def _same(value: Any) -> bytes:
    """Return what is equal for equal values: the order of keys does not matter, and 1 is not true."""
    if isinstance(value, _Absent):
        return b""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
