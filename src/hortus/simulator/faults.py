"""Faults of kits in the field, simulated on demand and at random, from a seed.

    dropouts    a sensor is silent for a while
    reconnects  the connection breaks midway; unfinished messages are sent again in full
    duplicates  a reading is published twice, with the same id
    late        readings are held back for minutes or hours, then sent at once with their old timestamps
    drift       the kit's clock runs ahead or behind, by up to six hours
    garbage     an invalid message is published along with the good ones

Each probability is per reading.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from hortus.base.errors import UsageError

_LONGEST_DRIFT_SECONDS = 6 * 3600.0


class SimulatedFault(StrEnum):
    """The faults by name."""

    DROPOUTS = "dropouts"
    RECONNECTS = "reconnects"
    DUPLICATES = "duplicates"
    LATE = "late"
    DRIFT = "drift"
    GARBAGE = "garbage"


# Per reading. Rare enough that most readings get through, frequent enough that each occurs within an hour.
USUAL_CHANCES: Mapping[SimulatedFault, float] = MappingProxyType(
    {
        SimulatedFault.DROPOUTS: 0.005,
        SimulatedFault.RECONNECTS: 0.005,
        SimulatedFault.DUPLICATES: 0.02,
        SimulatedFault.LATE: 0.002,
        SimulatedFault.DRIFT: 0.002,
        SimulatedFault.GARBAGE: 0.02,
    }
)


class UnknownFaultError(UsageError):
    """The name or probability of a fault is invalid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultPlan:
    """The faults that occur, each with its probability per reading (0 to 1)."""

    chances: Mapping[SimulatedFault, float] = field(default_factory=dict)


def parse_faults(text: str) -> FaultPlan:
    """Parse a list such as `dropouts,late:0.05`, or `all`, or an empty text for none.

    A probability per reading may follow each name. Raises UnknownFaultError.
    """
    chances: dict[SimulatedFault, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, colon, chance_text = part.partition(":")
        chance = chance_of(chance_text) if colon else None
        for fault in _faults_named(name.strip()):
            chances[fault] = USUAL_CHANCES[fault] if chance is None else chance
    return FaultPlan(chances=chances)


def _faults_named(name: str) -> list[SimulatedFault]:
    if name == "all":
        return list(SimulatedFault)
    try:
        return [SimulatedFault(name)]
    except ValueError:
        raise UnknownFaultError(
            f"There is no fault “{name}”; choose from {', '.join(SimulatedFault)}, or all."
        ) from None


def chance_of(text: str) -> float:
    """Parse a probability, 0 to 1. Raises UnknownFaultError."""
    try:
        chance = float(text)
    except ValueError:
        chance = -1.0
    if not 0 <= chance <= 1:
        raise UnknownFaultError(f"“{text}” is not a probability; use a number from 0 to 1, such as late:0.05.")
    return chance


class FaultDice:
    """Rolls the dice for one kit. Durations are in kit time, which `speed` shortens."""

    def __init__(self, plan: FaultPlan, seed: str) -> None:
        self._chances = plan.chances
        self._randomness = random.Random(seed)  # noqa: S311 - chance, no secret

    def strike(self, fault: SimulatedFault) -> bool:
        """Return whether this fault occurs now."""
        chance = self._chances.get(fault, 0.0)
        return chance > 0 and self._randomness.random() < chance

    def silence_seconds(self, measurement_seconds: float) -> float:
        """Return how long a sensor falls silent: 2 to 20 measurements."""
        return measurement_seconds * self._randomness.uniform(2, 20)

    def hold_back_seconds(self) -> float:
        """Return how long readings are held back: two minutes to three hours, short times more often."""
        return 120.0 * math.exp(self._randomness.uniform(0, math.log(90)))

    def garbage(self, good: bytes, other_good: bytes, not_a_number: bytes) -> bytes:
        """Return one invalid payload, made from a valid one or resembling a malfunctioning kit's."""
        cut = self._randomness.randrange(1, len(good))
        return self._randomness.choice(
            (
                b"",
                self._randomness.randbytes(60),
                good[:cut],
                other_good,
                not_a_number,
                good + bytes(200_000),
            )
        )

    def clock_error(self) -> ClockError | None:
        """Return a new clock error, or None if the clock is corrected."""
        if self._randomness.random() < 0.3:
            return None
        # Cubed: most errors are minutes, few are hours.
        jump = _LONGEST_DRIFT_SECONDS * self._randomness.uniform(-1, 1) ** 3
        return ClockError(jump_seconds=jump, rate=self._randomness.uniform(-0.01, 0.01))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockError:
    """A clock that is wrong by `jump_seconds` and gains `rate` seconds per second."""

    jump_seconds: float
    rate: float

    def after(self, seconds: float) -> float:
        """Return how far the clock is ahead this many seconds after the error began; at most six hours."""
        error_seconds = self.jump_seconds + self.rate * seconds
        return min(_LONGEST_DRIFT_SECONDS, max(-_LONGEST_DRIFT_SECONDS, error_seconds))
