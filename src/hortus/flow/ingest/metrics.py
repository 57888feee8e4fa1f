"""Counters of one process since its start. The authoritative figures are in the database's ledger."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from hortus.flow.ingest.outcome import StoredBatch


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticedDamage:
    """Damage of the database that got in the way of a reading, last at this time of the monotonic clock."""

    sentence: str
    at: float


@dataclass(slots=True)
class IngestMetrics:
    """The counters of one pipeline. Outcomes are keyed by (outcome, stream)."""

    batches: int = 0
    messages: int = 0
    failed_attempts: int = 0
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    last_commit_at: float | None = None
    """Seconds since the epoch, by the server clock."""
    damage: NoticedDamage | None = None

    def count_batch(self, messages: int, stored: StoredBatch | None, now: float) -> None:
        """Count a committed batch. `stored` is None if an earlier attempt turned out to have committed it."""
        self.batches += 1
        self.messages += messages
        self.last_commit_at = now
        if stored is None:
            return
        for outcome in ("stored", "duplicate", "quarantined", "refused"):
            for (_, _, stream), count in getattr(stored, outcome).items():
                self.outcomes[(outcome, str(stream))] += count
