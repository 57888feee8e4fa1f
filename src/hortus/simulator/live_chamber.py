"""A chamber that advances in real time along with its kit."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import replace

from hortus.simulator.chamber import Chamber, ChamberState
from hortus.simulator.climate import Climate, ClimatePlan, Fittings
from hortus.simulator.surroundings import Site

# Changes over a shorter time are not worth a step; sensors that measure together share one.
_SHORTEST_STEP_SECONDS = 1.0
# An invented chamber needs no past; a few hours are enough to let its initial state settle.
_SETTLING_SECONDS = 3 * 3600.0


def made_up_climate(serial: str, seed: int) -> Climate:
    """Return a chamber for a kit of which only the serial is known; each serial has its own weather."""
    chance = zlib.crc32(serial.encode()) ^ seed
    site = Site(
        seed=chance,
        longitude_degrees=5.0 + chance % 10,
        room_temperature_celsius=18.0 + chance % 5,
        window_fraction=0.02 + 0.01 * (chance % 7),
    )
    return Climate(chamber=Chamber(site=site), plan=ClimatePlan(), fittings=Fittings())


class LiveChamber:
    """Advances a chamber with the time that passes, `speed` times as fast.

    Begins at `begin_seconds` (Unix time). With a known `climate`, its state there is exactly where the history
    of that climate ends. Times passed to `state_now` are from a monotonic clock.
    """

    def __init__(
        self, climate: Climate, *, has_past: bool, begin_seconds: float, monotonic_seconds: float, speed: float
    ) -> None:
        self._climate = climate
        self._has_past = has_past
        self._begin_seconds = begin_seconds
        self._last_seconds = monotonic_seconds
        self._speed = speed
        self._state: ChamberState | None = None

    def fit(self, fittings: Fittings) -> None:
        """Equip the chamber with the devices of the kit's configuration."""
        self._climate = replace(self._climate, fittings=fittings)

    def state_now(self, monotonic_seconds: float, commanded: Mapping[str, float]) -> ChamberState:
        """Return the chamber's current state; `commanded` has applied since the last call."""
        if self._state is None:
            self._state = self._first_state()
        elapsed_seconds = (monotonic_seconds - self._last_seconds) * self._speed
        if elapsed_seconds >= _SHORTEST_STEP_SECONDS:
            self._state = self._climate.advance(self._state, elapsed_seconds, commanded)
            self._last_seconds = monotonic_seconds
        return self._state

    def _first_state(self) -> ChamberState:
        if self._has_past:
            return self._climate.state_at(self._begin_seconds)
        begin = self._begin_seconds - _SETTLING_SECONDS
        return self._climate.advance(self._climate.chamber.at_rest(begin), _SETTLING_SECONDS)
