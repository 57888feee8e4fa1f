"""Nodes of a recipe's file to texts, numbers and lists, with a fault for each that is something else. Pure.

After a fault, a reader returns what lets the reading go on (an empty text, None), so that all faults are found.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import yaml

from hortus.base.text import fault_of_lines, fault_of_name, shown
from hortus.domain.recipes.faults import Fault

_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,5})(\.[0-9]{1,4})?")
_WHOLE = re.compile(r"0|[1-9][0-9]{0,5}")
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_NOT_IN_YAML = re.compile("[\ufffe\uffff]")
_MOST_SHOWN = 40

Choice = TypeVar("Choice", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Field:
    """A node with its path. Its faults go to a list that all fields of a file share."""

    node: yaml.Node
    path: str
    faults: list[Fault]

    def refuse(self, message: str) -> None:
        """Note a fault at this place."""
        mark = self.node.start_mark
        self.faults.append(Fault(path=self.path, line=mark.line + 1, column=mark.column + 1, message=message))

    @property
    def is_null(self) -> bool:
        """Whether nothing is written here, or `null`."""
        return self._plain() in _NULLS

    def members(self, known: Collection[str], unknown: Mapping[str, str] | None = None) -> dict[str, Field]:
        """Return the values of a mapping by key. `unknown` has sentences about keys that belong elsewhere."""
        members: dict[str, Field] = {}
        if not isinstance(self.node, yaml.MappingNode):
            self.refuse(f"Write keys with values here: {_listed(known)}.")
            return members
        for key_node, value in self.node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else "?"
            at = Field(key_node, self._path_of(key), self.faults)
            if key in members:
                at.refuse("This key is there twice. Keep one of them.")
            elif key not in known:
                at.refuse((unknown or {}).get(key) or _about_unknown_key(key, known))
            else:
                members[key] = Field(value, at.path, self.faults)
        return members

    def has(self, key: str) -> bool:
        """Return whether this is a mapping with this key."""
        return isinstance(self.node, yaml.MappingNode) and any(
            key_node.value == key for key_node, _ in self.node.value
        )

    def entries(self, most: int) -> list[Field]:
        """Return the values of a list."""
        if not isinstance(self.node, yaml.SequenceNode):
            self.refuse("Write a list here: one entry a line, each after `- `.")
            return []
        if len(self.node.value) > most:
            self.refuse(f"At most {most} entries are accepted. Remove some.")
        return [
            Field(node, f"{self.path}[{index}]", self.faults)
            for index, node in enumerate(self.node.value[:most])
        ]

    def text(self, most: int, *, of_lines: bool = False) -> str:
        """Return a text of 1 to `most` characters, by default on one line."""
        if not isinstance(self.node, yaml.ScalarNode) or self.is_null:
            self.refuse("Write a text here, or remove the key.")
            return ""
        text = str(self.node.value)
        fault = fault_of_lines(text) if of_lines else fault_of_name(text)
        if fault is not None:
            self.refuse(f"{fault}.")
        elif _NOT_IN_YAML.search(text):
            self.refuse("It cannot hold U+FFFE or U+FFFF, which are no characters.")
        elif not 1 <= len(text) <= most:
            self.refuse(f"Write 1 to {most} characters.")
        return text

    def number(self, minimum: float, maximum: float, unit: str = "") -> float | None:
        """Return a number from `minimum` to `maximum`; None after a fault."""
        if not _NUMBER.fullmatch(self._plain() or ""):
            self.refuse("Write a number such as 24 or 0.5, without quotes, unit or exponent.")
            return None
        number = float(self.node.value)
        if not minimum <= number <= maximum:
            self.refuse(f"Write a number from {minimum:g} to {maximum:g} {unit}".rstrip() + ".")
            return None
        return number

    def whole(self, minimum: int, maximum: int) -> int | None:
        """Return a whole number from `minimum` to `maximum`; None after a fault."""
        plain = self._plain() or ""
        if not _WHOLE.fullmatch(plain) or not minimum <= int(plain) <= maximum:
            self.refuse(f"Write a whole number from {minimum} to {maximum}, without quotes.")
            return None
        return int(plain)

    def choice(self, choices: type[Choice], default: Choice) -> Choice:
        """Return a member of an enum by its value; the default after a fault."""
        value = self.node.value if isinstance(self.node, yaml.ScalarNode) else None
        if value not in list(choices):
            self.refuse(f"Write one of: {', '.join(choices)}.")
            return default
        return choices(value)

    def require_true(self) -> None:
        """Note a fault unless `true` is written here."""
        if self._plain() != "true":
            self.refuse("Write true, or remove the key.")

    def _plain(self) -> str | None:
        """Return a value that is written without quotes."""
        is_plain = isinstance(self.node, yaml.ScalarNode) and self.node.style is None
        return str(self.node.value) if is_plain else None

    def _path_of(self, key: str) -> str:
        short = shown(key[:_MOST_SHOWN])
        return f"{self.path}.{short}" if self.path else short


def _about_unknown_key(key: str, known: Collection[str]) -> str:
    alike = difflib.get_close_matches(key[:_MOST_SHOWN], known, n=1)
    if alike:
        return f"There is no such key here. Did you mean {alike[0]}?"
    return f"There is no such key here. Remove it; known are {_listed(known)}."


def _listed(known: Collection[str]) -> str:
    return ", ".join(known)
