"""The interfaces of the gateway's targets, and the outcome of a delivery."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from hortus.flow.gateway.spool_file import SpooledReading


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The target will never accept this reading: a machine-readable reason, and a sentence."""

    reading: SpooledReading
    reason: str
    detail: str


class BatchTarget(Protocol):
    """A target that accepts all readings, in batches."""

    name: str

    async def deliver(self, readings: Sequence[SpooledReading]) -> list[Refusal]:
        """Return when each reading is durable at the target, with those that it rejects for good.

        Raises TargetTrouble; the whole delivery is then retried, which has no effect on accepted readings.
        """


class NewestTarget(Protocol):
    """A target that keeps only the last values of each board, and accepts one reading at a time."""

    name: str

    async def deliver(self, reading: SpooledReading) -> Refusal | None:
        """Return None once the target has this reading, or why it rejects it for good. Raises TargetTrouble."""
