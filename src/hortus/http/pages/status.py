"""What the status page shows, as values, and the plain rules behind it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from hortus.domain.ledger.store import LedgerCounts
from hortus.domain.presence.judgement import Judgement
from hortus.protocol.reasons import Reason

_EXPLANATIONS = {reason.value: reason.explanation for reason in Reason}


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesKey:
    """What a person charts: it outlives a change of configuration, although peripheral ids change."""

    peripheral: str
    quantity_type_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LastReading:
    """The newest reading of a series whose time is not in the future (P8). `at` is the kit's clock."""

    key: SeriesKey
    quantity: str
    unit: str
    value: float
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusSeries:
    """A last reading with its recent course: one value per slot of time, oldest first, None for no value."""

    last: LastReading
    course: tuple[float | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonCount:
    """How many messages ended in one way for one reason, in words."""

    outcome: str
    reason: str
    explanation: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What a kit saw last, of which there is a thumbnail. `at` is the kit's clock."""

    id: UUID
    name: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KitStatus:
    """One kit as the page shows it."""

    id: int
    serial: str
    name: str | None
    is_public: bool
    presence: Judgement
    series: tuple[StatusSeries, ...]
    counts: LedgerCounts
    reasons: tuple[ReasonCount, ...]
    picture: Picture | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusPage:
    """One page of kits, and the figures of all kits that the viewer may see.

    `unassigned` counts messages that belong to no kit; None unless the viewer may see them.
    """

    now: datetime
    page: int
    pages: int
    kits_in_total: int
    kits: tuple[KitStatus, ...]
    totals: LedgerCounts
    unassigned: LedgerCounts | None
    unassigned_reasons: tuple[ReasonCount, ...]


def explained(counts: LedgerCounts) -> tuple[ReasonCount, ...]:
    """Return the reasons of these counts in words, the most frequent first."""
    return tuple(
        ReasonCount(outcome=outcome, reason=reason, explanation=explanation_of(reason), count=count)
        for (outcome, reason), count in sorted(counts.reasons.items(), key=lambda item: (-item[1], item[0]))
        if count
    )


def explanation_of(reason: str) -> str:
    """Return what a reason means. The database may know reasons of a later version."""
    return _EXPLANATIONS.get(reason, "This version of Hortus does not know this reason.")


def summed(counts: Sequence[LedgerCounts]) -> LedgerCounts:
    """Return the sum of these counts."""
    total = LedgerCounts()
    for one in counts:
        total.add(one)
    return total
