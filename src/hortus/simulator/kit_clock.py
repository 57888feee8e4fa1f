"""The clock of a virtual kit: correct unless a fault set it wrong."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from hortus.simulator.faults import ClockError


def wall_clock() -> datetime:
    """Return the current time of this machine."""
    return datetime.now(UTC)


class KitClock:
    """The kit's time in milliseconds since the Unix epoch, as kits put it into messages."""

    def __init__(self, clock: Callable[[], datetime] = wall_clock) -> None:
        self._clock = clock
        self._error: ClockError | None = None
        self._wrong_since_seconds = 0.0

    def now_ms(self) -> int:
        """Return the time that the kit believes it is, to the nearest millisecond."""
        seconds = self._clock().timestamp()
        if self._error is not None:
            seconds += self._error.after(time.monotonic() - self._wrong_since_seconds)
        return round(seconds * 1000)

    def true_seconds(self) -> float:
        """Return the correct time in seconds since the Unix epoch."""
        return self._clock().timestamp()

    def put_wrong(self, error: ClockError | None) -> None:
        """Set the clock wrong from now on; None corrects it."""
        self._error = error
        self._wrong_since_seconds = time.monotonic()
