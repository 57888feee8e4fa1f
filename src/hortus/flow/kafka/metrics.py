"""Counters of a sink since its start, and its lag in Kafka."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from hortus.flow.kafka.position import Place


@dataclass(slots=True)
class SinkMetrics:
    """The counters of one reader, or of all readers of a sink.

    `lag` is the number of records in Kafka that are not stored yet, by topic and partition: of the partitions
    that this sink reads, and of those that no sink reads. It, `partitions`, `fault` and `standstill_since` are
    known of a whole sink only.
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
    lag: dict[Place, int] = field(default_factory=dict)
    last_commit_at: float | None = None
    """Seconds since the epoch, by the server clock."""
    last_error: str | None = None
    went_back: int = 0
    """Times that the log of a partition went back, so that it was read again."""
    fault: str | None = None
    """What was wrong at the last look at Kafka, as a sentence. The lag is that of an earlier look then."""
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
            total.last_error = part.last_error or total.last_error
            if part.last_commit_at is not None:
                total.last_commit_at = max(part.last_commit_at, total.last_commit_at or 0.0)
        return total


_SUMS = ("consumed", "rebalances", "commits", "failed_commits", "errors", "missed", "went_back")
