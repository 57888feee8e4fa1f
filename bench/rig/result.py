"""A measured figure with its target, reference and verdict."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One row of the table. `met` is None for a row without a target."""

    figure: str
    value: str
    reach: str = "–"
    reference: str = "–"
    met: bool | None = None


def markdown(results: list[Result]) -> str:
    """Return the table for docs/performance.md."""
    lines = ["| Figure | Measured | Reach | Reference, same run | Met |", "|---|---|---|---|---|"]
    for each in results:
        met = {True: "yes", False: "**no**", None: "–"}[each.met]
        lines.append(f"| {each.figure} | {each.value} | {each.reach} | {each.reference} | {met} |")
    return "\n".join(lines)
