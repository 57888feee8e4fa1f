"""How long ago something was, for people."""

from __future__ import annotations

from datetime import UTC, datetime


def ago(moment: datetime | None) -> str:
    return "never" if moment is None else f"{age(moment)} ago"


def age(moment: datetime) -> str:
    seconds = max(0, int((datetime.now(UTC) - moment).total_seconds()))
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
