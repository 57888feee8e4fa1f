"""Limits on long-running requests, so that they leave room for everything else.

Each process counts separately. A long-running request takes its own database connection, a few megabytes and a
share of a processor.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hortus.http.conventions.problems import rate_limited, unavailable

_RETRY_SECONDS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotLimits:
    """Concurrent requests per process: in all, for all anonymous users together, and per person."""

    at_once: int
    anonymous_at_once: int
    per_person: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportLimits(SlotLimits):
    """Limits of one process. A client that accepts no data for `idle_seconds` is dropped."""

    at_once: int = 8
    anonymous_at_once: int = 4
    per_person: int = 2
    idle_seconds: float = 60.0


class Slots:
    """Counts the requests in progress."""

    def __init__(self, limits: SlotLimits) -> None:
        self._limits = limits
        self._by_person: Counter[str] = Counter()
        self._anonymous = 0

    @contextmanager
    def taken(self, user_id: int | None, network: str) -> Iterator[None]:
        """Count one more for this user, or for this network if the user is anonymous.

        Raises Problem 429 if they are at their own limit, 503 if the process is at its limit.
        """
        person = f"network {network}" if user_id is None else f"user {user_id}"
        if self._by_person[person] >= self._limits.per_person:
            raise rate_limited(_RETRY_SECONDS)
        anonymous = int(user_id is None)
        if (
            self._by_person.total() >= self._limits.at_once
            or self._anonymous + anonymous > self._limits.anonymous_at_once
        ):
            raise unavailable("The server is busy right now. Try again in a moment.", _RETRY_SECONDS)
        self._by_person[person] += 1
        self._anonymous += anonymous
        try:
            yield
        finally:
            self._anonymous -= anonymous
            self._by_person[person] -= 1
            if not self._by_person[person]:
                del self._by_person[person]
