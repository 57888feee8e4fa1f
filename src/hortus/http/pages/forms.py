"""A form as it was sent, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class Form:
    """Values by field, and the first fault of each field, in the order in which they were found."""

    values: Mapping[str, str] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)

    def value(self, name: str) -> str:
        """Return what was entered, without blanks around it; an empty text if nothing was."""
        return self.values.get(name, "").strip()

    def is_checked(self, name: str) -> bool:
        """Return whether a check box was checked: unchecked ones are not sent."""
        return bool(self.values.get(name))

    def refuse(self, name: str, message: str) -> None:
        """Note a fault of a field, unless it has one already."""
        self.faults.setdefault(name, message)

    def fault(self, name: str) -> str:
        """Return what is wrong with a field, or an empty text."""
        return self.faults.get(name, "")

    @property
    def errors(self) -> Iterable[dict[str, str]]:
        """The faults for `component.errors`."""
        return [{"field": name, "message": message} for name, message in self.faults.items()]
