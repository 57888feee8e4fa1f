"""What is wrong with a recipe's file: all faults at once, each with its place. Pure.

UsageError
└── UnusableRecipe      holds the faults, in the order of the file
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hortus.base.errors import UsageError

MOST_FAULTS = 100
"""So many are listed: nobody reads on, and a page need not grow with a hostile file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault: where it is, and a sentence that says what to do.

    `path` counts phases from 0, as in `phases[2].light.vpd`, and is empty for the whole file. Line and column
    count from 1.
    """

    path: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        place = f"line {self.line}, column {self.column}"
        return f"{self.path} ({place}): {self.message}" if self.path else f"{place}: {self.message}"


class UnusableRecipe(UsageError):
    """A file that is no valid recipe; `faults` has at most MOST_FAULTS of its faults."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        in_order = sorted(faults, key=lambda fault: (fault.line, fault.column))[:MOST_FAULTS]
        super().__init__("\n".join(map(str, in_order)))
        self.faults = tuple(in_order)
