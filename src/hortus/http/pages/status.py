"""The values shown on the status page, and the plain rules behind them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from hortus.base.language.translation import gettext
from hortus.domain.ledger.store import LedgerCounts
from hortus.domain.presence.judgement import Judgement
from hortus.domain.presence.store import OwnWord
from hortus.protocol.reasons import Reason

_EXPLANATIONS = {reason.value: reason.explanation for reason in Reason}


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesKey:
    """The identity of a chart. It outlives a change of configuration, although peripheral ids change."""

    peripheral: str
    quantity_type_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LastReading:
    """The newest reading of a series whose time is not in the future (P8). `at` is the kit's clock.

    `interval_seconds` is how often its peripheral measures.
    """

    key: SeriesKey
    peripheral_id: int
    quantity: str
    unit: str
    value: float
    at: datetime
    interval_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusSeries:
    """A series with its last plausible reading, None if it has only implausible ones, and its recent course.

    The course has one value per time slot, oldest first, None for an empty slot. `trouble` is a sentence about
    the sensor, if a later reading cannot have been measured.
    """

    key: SeriesKey
    quantity: str
    unit: str
    last: LastReading | None
    course: tuple[float | None, ...]
    trouble: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonCount:
    """The number of messages with one outcome and reason, and an explanation of the reason."""

    outcome: str
    reason: str
    explanation: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A kit's latest picture that has a thumbnail. `at` is the kit's clock."""

    id: UUID
    name: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KitStatus:
    """One kit as the page shows it. `is_shared`: two clients take turns under its account.

    `is_viewers`: the viewer is a member; `is_nobodys`: it has no members at all. `series` is None if they could
    not be read.
    """

    id: int
    serial: str
    name: str | None
    is_public: bool
    presence: Judgement
    own_word: OwnWord | None
    series: tuple[StatusSeries, ...] | None
    counts: LedgerCounts
    reasons: tuple[ReasonCount, ...]
    picture: Picture | None = None
    is_shared: bool = False
    is_viewers: bool = False
    is_nobodys: bool = False
    has_silence_alert: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusPage:
    """One page of kits, and the totals of all kits that the viewer may see.

    `last_stored_at` is when a reading of any of them was last stored.
    `unassigned` counts messages that belong to no kit; it is None unless the viewer may see them.
    """

    now: datetime
    page: int
    pages: int
    kits_in_total: int
    kits: tuple[KitStatus, ...]
    last_stored_at: datetime | None
    totals: LedgerCounts
    unassigned: LedgerCounts | None
    unassigned_reasons: tuple[ReasonCount, ...]


def explained(counts: LedgerCounts) -> tuple[ReasonCount, ...]:
    """Return the reasons in these counts with their explanations, the most frequent first."""
    return tuple(
        ReasonCount(outcome=outcome, reason=reason, explanation=explanation_of(reason), count=count)
        for (outcome, reason), count in sorted(counts.reasons.items(), key=lambda item: (-item[1], item[0]))
        if count
    )


def explanation_of(reason: str) -> str:
    """Return the explanation of a reason. The database may contain reasons of a later version."""
    return (
        gettext(_EXPLANATIONS[reason])
        if reason in _EXPLANATIONS
        else gettext("This version of Hortus does not know this reason.")
    )


def summed(counts: Sequence[LedgerCounts]) -> LedgerCounts:
    """Return the sum of these counts."""
    total = LedgerCounts()
    for one in counts:
        total.add(one)
    return total
