"""Many virtual kits in one process, each with its own connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from hortus.simulator.kit import VirtualKit
from hortus.simulator.kit_clock import wall_clock
from hortus.simulator.options import KitCredentials, SimulatorOptions
from hortus.simulator.report import KitCounts

_DRAIN_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetStatus:
    """The state of a fleet: kits in total, started, connected, measuring; open messages; the sum of counts."""

    kits: int
    started: int
    connected: int
    measuring: int
    unfinished_messages: int
    counts: KitCounts


class Fleet:
    """Virtual kits that run together. Prints nothing: query `status`."""

    def __init__(
        self,
        credentials: Sequence[KitCredentials],
        options: SimulatorOptions,
        *,
        clock: Callable[[], datetime] = wall_clock,
    ) -> None:
        self._credentials = tuple(credentials)
        self._options = options
        self._clock = clock
        self._may_start = True
        self.kits: list[VirtualKit] = []

    async def run(self) -> None:
        """Start the kits one after the other and keep them running until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for credentials in self._credentials:
                if not self._may_start:
                    break
                kit = VirtualKit(credentials, self._options, clock=self._clock)
                self.kits.append(kit)
                tasks.create_task(kit.run(), name=f"virtual kit {kit.serial}")
                await asyncio.sleep(self._options.stagger_seconds)

    def status(self) -> FleetStatus:
        """Return the current state of the kits."""
        counts = KitCounts()
        for kit in self.kits:
            counts.add(kit.counts)
        return FleetStatus(
            kits=len(self._credentials),
            started=len(self.kits),
            connected=sum(kit.connected for kit in self.kits),
            measuring=sum(kit.measuring for kit in self.kits),
            unfinished_messages=sum(kit.unfinished_messages for kit in self.kits),
            counts=counts,
        )

    def stop_measuring(self) -> None:
        """Stop all sensors and start no more kits, so that messages in flight can be completed."""
        self._may_start = False
        for kit in self.kits:
            kit.stop_measuring()

    async def drain(self, timeout_seconds: float) -> bool:
        """Stop measuring and wait until the server has completed every message.

        Return False if messages are still unfinished after `timeout_seconds`.
        """
        self.stop_measuring()
        try:
            async with asyncio.timeout(timeout_seconds):
                # Polled, because an event per message would burden every message only for the benefit of the
                # end.
                while any(kit.unfinished_messages for kit in self.kits):  # noqa: ASYNC110
                    await asyncio.sleep(_DRAIN_POLL_SECONDS)
        except TimeoutError:
            return False
        return True
