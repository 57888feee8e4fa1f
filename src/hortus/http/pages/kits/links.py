"""A link of the way from the reader to the sensors of a kit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class LinkState(StrEnum):
    """How a link is. "Not known" is no fault."""

    GOOD = "good"
    BAD = "bad"
    LATE = "late"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link of the chain. `depth` 1 hangs on the one of depth 0 before it. `seen_at` was its last proof."""

    key: str
    name: str
    state: LinkState
    proof: str
    seen_at: datetime | None = None
    depth: int = 0
