"""Exponential backoff with jitter, so that many clients do not retry at the same instant."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """The range of pauses: they double from the first to the longest."""

    first_seconds: float = 1.0
    longest_seconds: float = 60.0


class Backoff:
    """The backoff state of one operation that is retried."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self.failures = 0

    def failed(self, at_least_seconds: float = 0.0) -> float:
        """Record a failure, and return the pause before the next attempt in seconds."""
        self.failures += 1
        longest = self._patience.longest_seconds
        pause = min(longest, self._patience.first_seconds * 2.0 ** min(self.failures - 1, 20))
        # A pause requested by the target is honoured up to the longest pause of our own.
        pause = max(pause, min(at_least_seconds, longest))
        return pause * random.uniform(0.5, 1.0)  # noqa: S311  (jitter, not a secret)

    def succeeded(self) -> None:
        """Reset to the shortest pause."""
        self.failures = 0
