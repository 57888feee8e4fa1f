"""Growing pauses between attempts, with jitter so that many do not come back at the same instant."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long pauses are: they double from the first to the longest."""

    first_seconds: float = 1.0
    longest_seconds: float = 60.0


class Backoff:
    """The pauses of one thing that is tried again and again."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self.failures = 0

    def failed(self, at_least_seconds: float = 0.0) -> float:
        """Note a failure, and return for how long to pause, in seconds."""
        self.failures += 1
        longest = self._patience.longest_seconds
        pause = min(longest, self._patience.first_seconds * 2.0 ** min(self.failures - 1, 20))
        # What a target asks for is honoured as far as it is not longer than what we would do ourselves.
        pause = max(pause, min(at_least_seconds, longest))
        return pause * random.uniform(0.5, 1.0)  # noqa: S311  (jitter, not a secret)

    def succeeded(self) -> None:
        """Begin with the shortest pause again."""
        self.failures = 0
