"""How much is exported at once, and to whom."""

from __future__ import annotations

from dataclasses import dataclass

from hortus.api.slots import SlotLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportLimits(SlotLimits):
    """Limits of one process. `idle_seconds`: who takes nothing for so long is dropped."""

    at_once: int = 8
    anonymous_at_once: int = 4
    per_person: int = 2
    idle_seconds: float = 60.0
