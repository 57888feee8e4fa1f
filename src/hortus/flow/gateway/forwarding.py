"""Forwards readings from the spool to a target that accepts all of them, in order and in batches.

A failed delivery is retried indefinitely; readings that the target rejects for good are set aside, so that no
single reading ever blocks the queue.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from hortus.base.supervision import note_success
from hortus.flow.gateway.backoff import Backoff, Patience
from hortus.flow.gateway.errors import TargetTrouble
from hortus.flow.gateway.spool import Spool
from hortus.flow.gateway.spool_file import SpooledReading
from hortus.flow.gateway.targets import BatchTarget, Refusal

log = logging.getLogger(__name__)

BATCH_READINGS = 500
# An operator's command may change the spool without notifying this process.
LOOK_AGAIN_SECONDS = 5.0
# The number of failures on the same reading after which the reading is assumed to be the cause.
_ATTEMPTS_BEFORE_BLAME = 5


@dataclass(slots=True)
class ForwardingState:
    """The state of forwarding, for operators: the target, and its current trouble, if any."""

    target: str
    trouble: str | None = None

    def failed(self, trouble: TargetTrouble) -> None:
        """Record a failure; logged when it begins and whenever it changes."""
        if self.trouble != str(trouble):
            log.warning("%s: %s Readings wait and nothing is lost.", self.target, trouble)
        self.trouble = str(trouble)

    def succeeded(self) -> None:
        """Record that a delivery succeeded."""
        if self.trouble is not None:
            log.warning("%s accepts readings again", self.target)
        self.trouble = None


class Forwarder(Protocol):
    """Delivers the spool's readings to a target."""

    state: ForwardingState

    async def run(self) -> None:
        """Forward until cancelled."""


class BatchForwarder:
    """Delivers the oldest readings first, one delivery at a time, so that the order per board is kept (G5)."""

    def __init__(self, spool: Spool, target: BatchTarget, *, patience: Patience | None = None) -> None:
        self.state = ForwardingState(target=target.name)
        self._spool = spool
        self._target = target
        self._backoff = Backoff(patience or Patience())
        self._batch_readings = BATCH_READINGS
        self._failures_of_one = 0
        self._arrived = asyncio.Event()
        spool.notify(self._arrived)

    async def run(self) -> None:
        """Deliver waiting readings until cancelled."""
        while True:
            note_success()
            self._arrived.clear()
            limit = self._batch_readings
            batch = await self._spool.use(lambda file, limit=limit: file.oldest_waiting(limit))  # type: ignore[misc]
            if batch:
                await self._deliver(batch)
            else:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_AGAIN_SECONDS):
                        await self._arrived.wait()

    async def _deliver(self, batch: Sequence[SpooledReading]) -> None:
        try:
            refusals = await self._target.deliver(batch)
        except TargetTrouble as trouble:
            self.state.failed(trouble)
            if trouble.may_still_succeed:
                # Over a slow line, a smaller delivery may be through in time. Repeating one has no effect.
                self._batch_readings = max(1, len(batch) // 2)
            if trouble.blames_content and await self._narrow_down(batch, trouble):
                return
            await asyncio.sleep(self._backoff.failed(trouble.retry_after_seconds))
        else:
            await self._settle(batch, refusals)
            self.state.succeeded()
            self._backoff.succeeded()
            self._failures_of_one = 0
            self._batch_readings = min(BATCH_READINGS, self._batch_readings * 2)

    async def _settle(self, batch: Sequence[SpooledReading], refusals: Sequence[Refusal]) -> None:
        refused = {refusal.reading.number for refusal in refusals}
        taken = [reading for reading in batch if reading.number not in refused]
        aside = [(refusal.reading, refusal.reason, refusal.detail) for refusal in refusals]
        if aside:
            await self._spool.use(lambda file: file.set_aside(aside))
        if taken:
            await self._spool.use(lambda file: file.forwarded(taken))

    async def _narrow_down(self, batch: Sequence[SpooledReading], trouble: TargetTrouble) -> bool:
        """Narrow down which reading the target fails on. Return whether to continue without a pause."""
        if len(batch) > 1:
            self._batch_readings = max(1, len(batch) // 2)
            return False
        self._failures_of_one += 1
        if self._failures_of_one < _ATTEMPTS_BEFORE_BLAME:
            return False
        self._failures_of_one = 0
        await self._settle(batch, [Refusal(reading=batch[0], reason="target-fails", detail=str(trouble))])
        return True
