"""Forwards readings to a target that keeps only the last values of each board (G5, G6).

Each board has at most one delivery in progress, always of its newest reading, which supersedes older waiting
ones. Boards do not delay each other, and while the target is unreachable only one of them is tried.

A delivery that was not answered in time may still be completed, after one of a newer reading. So after such a
failure the newest reading is sent once more, when the old request can hardly be under way any longer.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from hortus.base.supervision import note_success
from hortus.flow.gateway.backoff import Backoff, Patience
from hortus.flow.gateway.errors import TargetTrouble
from hortus.flow.gateway.forwarding import LOOK_AGAIN_SECONDS, ForwardingState
from hortus.flow.gateway.spool import Spool
from hortus.flow.gateway.targets import NewestTarget, Refusal

DELIVERIES_AT_ONCE = 16
"""Several, because the backend may wait 30 s for its mail server within one delivery (G11)."""

SETTLE_SECONDS = 120.0
"""How long after it was given up a delivery may still be completed by the target."""

_REMEMBERED_FAILURES = 20_000


@dataclass(slots=True)
class _Unsettled:
    """A delivery that may still be completed, until then; and the number of the reading sent since, if any."""

    until: float
    sent_number: int | None = None


class NewestForwarder:
    """Delivers the newest reading of each board."""

    def __init__(
        self,
        spool: Spool,
        target: NewestTarget,
        *,
        patience: Patience | None = None,
        deliveries_at_once: int = DELIVERIES_AT_ONCE,
        settle_seconds: float = SETTLE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.state = ForwardingState(target=target.name)
        self._spool = spool
        self._target = target
        self._patience = patience or Patience()
        self._deliveries_at_once = deliveries_at_once
        self._settle_seconds = settle_seconds
        self._clock = clock
        self._under_way: set[int] = set()
        self._of_target = Backoff(self._patience)
        self._target_again_at = 0.0
        self._of_sensor: dict[int, tuple[Backoff, float]] = {}
        self._unsettled: dict[int, _Unsettled] = {}
        self._changed = asyncio.Event()
        spool.notify(self._changed)

    async def run(self) -> None:
        """Deliver waiting readings until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                note_success()
                self._changed.clear()
                pause_seconds = LOOK_AGAIN_SECONDS
                newest = await self._spool.use(lambda file: file.newest_numbers())
                for sensor_id, number in newest.items():
                    wait_seconds = self._wait_seconds(sensor_id, number)
                    if wait_seconds > 0:
                        pause_seconds = min(pause_seconds, wait_seconds)
                    elif len(self._under_way) < self._most_under_way and sensor_id not in self._under_way:
                        self._begin(group, sensor_id)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause_seconds):
                        await self._changed.wait()

    @property
    def _most_under_way(self) -> int:
        return 1 if self._of_target.failures else self._deliveries_at_once

    def _wait_seconds(self, sensor_id: int, number: int) -> float:
        """Return how long this board's newest reading has to wait in seconds; not positive if not at all."""
        _, again_at = self._of_sensor.get(sensor_id, (None, 0.0))
        unsettled = self._unsettled.get(sensor_id)
        if unsettled is not None and unsettled.sent_number == number:
            again_at = max(again_at, unsettled.until)
        return max(again_at, self._target_again_at) - self._clock()

    def _begin(self, group: asyncio.TaskGroup, sensor_id: int) -> None:
        def ended(_task: asyncio.Task[None]) -> None:
            self._under_way.discard(sensor_id)
            self._changed.set()

        self._under_way.add(sensor_id)
        group.create_task(self._deliver(sensor_id)).add_done_callback(ended)

    async def _deliver(self, sensor_id: int) -> None:
        reading = await self._spool.use(lambda file: file.newest_waiting(sensor_id))
        if reading is None:
            return
        try:
            refusal = await self._target.deliver(reading)
        except TargetTrouble as trouble:
            self._failed(sensor_id, trouble)
            return
        self._succeeded(sensor_id)
        if isinstance(refusal, Refusal):
            aside = [(reading, refusal.reason, refusal.detail)]
            await self._spool.use(lambda file: file.set_aside(aside))
        elif not self._has_to_be_repeated(sensor_id, reading.number):
            await self._spool.use(lambda file: file.forwarded_newest(reading))

    def _has_to_be_repeated(self, sensor_id: int, number: int) -> bool:
        """Return whether an older reading may still overwrite this one; then it stays in the spool."""
        unsettled = self._unsettled.get(sensor_id)
        if unsettled is None or self._clock() >= unsettled.until:
            self._unsettled.pop(sensor_id, None)
            return False
        unsettled.sent_number = number
        return True

    def _failed(self, sensor_id: int, trouble: TargetTrouble) -> None:
        self.state.failed(trouble)
        now = self._clock()
        if trouble.may_still_succeed:
            self._unsettled[sensor_id] = _Unsettled(until=now + self._settle_seconds)
        if trouble.whole_target:
            self._target_again_at = now + self._of_target.failed(trouble.retry_after_seconds)
            return
        if len(self._of_sensor) >= _REMEMBERED_FAILURES:
            self._of_sensor.clear()  # the only effect is that some of them are retried sooner
        backoff, _ = self._of_sensor.get(sensor_id, (Backoff(self._patience), 0.0))
        self._of_sensor[sensor_id] = (backoff, now + backoff.failed(trouble.retry_after_seconds))

    def _succeeded(self, sensor_id: int) -> None:
        self._of_sensor.pop(sensor_id, None)
        self._of_target.succeeded()
        self._target_again_at = 0.0
        self.state.succeeded()
