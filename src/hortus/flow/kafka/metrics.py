"""Counters of a sink since its start, and its lag in Kafka."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(slots=True)
class SinkMetrics:
    """The counters of one reader, or of all readers of a sink.

    `lag` is the number of records in Kafka that are not stored yet, by topic and partition.
    """

    consumed: int = 0
    rebalances: int = 0
    commits: int = 0
    failed_commits: int = 0
    errors: int = 0
    missed: int = 0
    """Records that Kafka deleted, due to the topic's retention, before they were read."""
    partitions: int = 0
    paused: bool = False
    reachable: bool = True
    """Whether a broker answers; if none does, the lag is unknown."""
    lag: dict[tuple[str, int], int] = field(default_factory=dict)
    last_commit_at: float | None = None
    """Seconds since the epoch, by the server clock."""
    last_error: str | None = None
    standstill_since: float | None = None
    """Since when there has been no progress with records waiting, or their number unknown; monotonic clock."""

    @property
    def total_lag(self) -> int:
        """The lag of all assigned partitions together."""
        return sum(self.lag.values())

    @classmethod
    def total(cls, parts: Iterable[SinkMetrics]) -> SinkMetrics:
        """Return the combined counters of several readers."""
        total = cls()
        for part in parts:
            for name in _SUMS:
                setattr(total, name, getattr(total, name) + getattr(part, name))
            total.paused = total.paused or part.paused
            total.reachable = total.reachable and part.reachable
            total.lag.update(part.lag)
            total.last_error = part.last_error or total.last_error
            if part.standstill_since is not None:
                total.standstill_since = min(part.standstill_since, total.standstill_since or math.inf)
            if part.last_commit_at is not None:
                total.last_commit_at = max(part.last_commit_at, total.last_commit_at or 0.0)
        return total


_SUMS = ("consumed", "rebalances", "commits", "failed_commits", "errors", "missed", "partitions")
