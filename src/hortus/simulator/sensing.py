"""A running sensor: measures at once and every measurement interval, and sends an aggregate per window."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from hortus.simulator.aggregates import Aggregate
from hortus.simulator.chamber import ChamberState
from hortus.simulator.configuration import FittedPeripheral
from hortus.simulator.faults import FaultDice, SimulatedFault
from hortus.simulator.kit_clock import KitClock
from hortus.simulator.report import KitCounts
from hortus.simulator.sending import ReadingSender

# However fast time runs, a sensor measures at most this often, so that the event loop has time for other work.
_SHORTEST_INTERVAL_SECONDS = 0.001


class WorkingSensor:
    """One measuring peripheral of a running kit."""

    def __init__(
        self,
        peripheral: FittedPeripheral,
        *,
        speed: float,
        chamber_state: Callable[[], ChamberState],
        clock: KitClock,
        sender: ReadingSender,
        dice: FaultDice,
        counts: KitCounts,
        randomness: random.Random,
    ) -> None:
        self._peripheral = peripheral
        self._measurement_seconds = max(_SHORTEST_INTERVAL_SECONDS, peripheral.measurement_seconds / speed)
        self._aggregate_seconds = max(_SHORTEST_INTERVAL_SECONDS, peripheral.aggregate_seconds / speed)
        self._chamber_state = chamber_state
        self._clock = clock
        self._sender = sender
        self._dice = dice
        self._counts = counts
        self._randomness = randomness
        self._windows = [(measured, Aggregate()) for measured in peripheral.measured]
        self._window_start_ms = 0
        self._silent_until_seconds = 0.0
        self._loop = asyncio.get_running_loop()
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def start(self) -> None:
        """Measure now and then periodically."""
        self._window_start_ms = self._clock.now_ms()
        self._at("aggregate", self._loop.time() + self._aggregate_seconds, self._reduce)
        self._measure(self._loop.time())

    def stop(self) -> None:
        """Stop immediately; the open window is not sent."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _measure(self, due_seconds: float) -> None:
        self._at("measure", self._following(due_seconds, self._measurement_seconds), self._measure)
        if self._silent():
            return
        state = self._chamber_state()
        for measured, window in self._windows:
            value = measured.channel.read(state, self._randomness)
            window.add(value)
            self._sender.send_raw(self._peripheral.id, measured.quantity_type, value)

    def _reduce(self, due_seconds: float) -> None:
        self._at("aggregate", self._following(due_seconds, self._aggregate_seconds), self._reduce)
        start_ms, self._window_start_ms = self._window_start_ms, self._clock.now_ms()
        for measured, window in self._windows:
            # Windows without readings are not sent (kit-mqtt 6).
            if window.count:
                self._sender.send_aggregate(
                    self._peripheral.id, measured.quantity_type, start_ms, self._window_start_ms, window
                )
                window.clear()

    def _silent(self) -> bool:
        now = self._loop.time()
        if now >= self._silent_until_seconds and self._dice.strike(SimulatedFault.DROPOUTS):
            self._counts.dropouts += 1
            self._silent_until_seconds = now + self._dice.silence_seconds(self._measurement_seconds)
        return now < self._silent_until_seconds

    def _following(self, due_seconds: float, interval_seconds: float) -> float:
        # A timer that fired much too late (a busy or sleeping machine) skips the measurements it missed.
        following = due_seconds + interval_seconds
        return following if following > self._loop.time() else self._loop.time() + interval_seconds

    def _at(self, name: str, due_seconds: float, act: Callable[[float], None]) -> None:
        self._timers[name] = self._loop.call_at(due_seconds, act, due_seconds)
