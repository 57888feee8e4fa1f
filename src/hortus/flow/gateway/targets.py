"""What the gateway delivers to, and what can become of a delivery."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from hortus.flow.gateway.spool_file import SpooledReading


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The target will never take this reading: a machine name of the reason, and a sentence."""

    reading: SpooledReading
    reason: str
    detail: str


class BatchTarget(Protocol):
    """Takes all readings, many at once."""

    name: str

    async def deliver(self, readings: Sequence[SpooledReading]) -> list[Refusal]:
        """Return when each reading is durable at the target, with those that it refuses for good.

        Raises TargetTrouble: then the whole delivery is tried again, which has no effect on what got through.
        """


class NewestTarget(Protocol):
    """Keeps only the last values of each board, and takes one reading at a time."""

    name: str

    async def deliver(self, reading: SpooledReading) -> Refusal | None:
        """Return when the target has this reading, or why it refuses it for good. Raises TargetTrouble."""
