"""Reading the ledger: the outcomes of all messages, per kit, hour of arrival and stream."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.kits.tables import KitRow
from hortus.domain.ledger.tables import LedgerReasonRow, LedgerRow


@dataclass(slots=True)
class LedgerCounts:
    """How many messages arrived, and how they ended.

    `reasons` is keyed by (outcome, reason). The outcome `purged` is not part of the sum: it counts messages
    that had been quarantined and were deleted to make room in a full quarantine.
    """

    received: int = 0
    stored: int = 0
    duplicate: int = 0
    quarantined: int = 0
    refused: int = 0
    reasons: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))

    def add(self, other: LedgerCounts) -> None:
        """Add the counts of another line."""
        self.received += other.received
        self.stored += other.stored
        self.duplicate += other.duplicate
        self.quarantined += other.quarantined
        self.refused += other.refused
        for key, count in other.reasons.items():
            self.reasons[key] += count

    @classmethod
    def sum_of(cls, lines: Iterable[LedgerLine]) -> LedgerCounts:
        """Return the sum of the counts of several lines."""
        total = cls()
        for line in lines:
            total.add(line.counts)
        return total

    @property
    def adds_up(self) -> bool:
        """Whether every message has exactly one outcome, and every quarantined or refused one a reason."""
        with_reason = sum(
            count for (outcome, _), count in self.reasons.items() if outcome in {"quarantined", "refused"}
        )
        return (
            self.received == self.stored + self.duplicate + self.quarantined + self.refused
            and with_reason == self.quarantined + self.refused
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerLine:
    """One kit, hour and stream. `serial` is None for messages without a known kit, and for deleted kits."""

    serial: str | None
    kit_name: str | None
    hour: datetime
    stream: str
    counts: LedgerCounts


async def read_ledger(
    connection: AsyncConnection, *, now: datetime, hours: int, kit_ids: set[int] | None = None
) -> list[LedgerLine]:
    """Return the lines of the last `hours` hours, including the current one, oldest first.

    `kit_ids` limits them to these kits; 0 stands for messages that belong to no kit. The connection must be
    REPEATABLE READ: counts and reasons are read one after the other and would not add up while messages arrive.
    """
    since = hour_of(now) - timedelta(hours=hours - 1)
    return await read_ledger_between(connection, since, None, kit_ids)


def hour_of(moment: datetime) -> datetime:
    """Return the start of the ledger hour (UTC) that contains `moment`."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


async def read_ledger_between(
    connection: AsyncConnection, since: datetime, before: datetime | None, kit_ids: set[int] | None
) -> list[LedgerLine]:
    """Return the lines of the hours that begin in `since` ≤ hour < `before`, as `read_ledger` does."""
    reasons = await _reasons(connection, since, before, kit_ids)
    query = (
        select(LedgerRow, KitRow.serial, KitRow.name)
        .outerjoin(KitRow, KitRow.id == LedgerRow.kit_id)
        .where(LedgerRow.hour >= since)
        .order_by(LedgerRow.hour, LedgerRow.kit_id, LedgerRow.stream)
    )
    if before is not None:
        query = query.where(LedgerRow.hour < before)
    if kit_ids is not None:
        query = query.where(LedgerRow.kit_id.in_(kit_ids))
    lines = []
    for row in (await connection.execute(query)).mappings():
        counts = LedgerCounts(
            received=row["received"],
            stored=row["stored"],
            duplicate=row["duplicate"],
            quarantined=row["quarantined"],
            refused=row["refused"],
        )
        counts.reasons.update(reasons.get((row["kit_id"], row["hour"], row["stream"]), {}))
        lines.append(
            LedgerLine(
                serial=row["serial"],
                kit_name=row["name"],
                hour=row["hour"],
                stream=row["stream"],
                counts=counts,
            )
        )
    return lines


async def _reasons(
    connection: AsyncConnection, since: datetime, before: datetime | None, kit_ids: set[int] | None
) -> dict[tuple[int, datetime, str], dict[tuple[str, str], int]]:
    query = select(LedgerReasonRow).where(LedgerReasonRow.hour >= since, LedgerReasonRow.count > 0)
    if before is not None:
        query = query.where(LedgerReasonRow.hour < before)
    if kit_ids is not None:
        query = query.where(LedgerReasonRow.kit_id.in_(kit_ids))
    reasons: dict[tuple[int, datetime, str], dict[tuple[str, str], int]] = defaultdict(dict)
    for row in (await connection.execute(query)).mappings():
        reasons[row["kit_id"], row["hour"], row["stream"]][row["outcome"], row["reason"]] = row["count"]
    return reasons
