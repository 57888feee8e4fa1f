"""The months whose partitions exist, as far as a process knows; others are opened for late readings."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import asyncpg

from hortus.base.database.partitions import Month, ensure_partitions, months_ahead
from hortus.domain.measurements.late_months import open_late_months
from hortus.flow.ingest.batch import Knowledge, ReadMessage, ResolvedBatch, resolve


class OpenMonths:
    """Resolves batches to rows that have a partition. `most_per_hour` as for `open_late_months`."""

    def __init__(self, most_per_hour: int | None) -> None:
        self._most_per_hour = most_per_hour
        self._known: set[Month] = set()

    def forget(self) -> None:
        """Look again: a partition has been dropped."""
        self._known.clear()

    async def resolve(
        self, connection: asyncpg.Connection, batch: list[ReadMessage], knowledge: Knowledge
    ) -> ResolvedBatch:
        """Resolve a batch. Readings of a month that no kit may open now go to quarantine."""
        resolved = resolve(batch, knowledge)
        missing = resolved.months() - self._known
        if not missing:
            return resolved
        ahead = set(months_ahead(datetime.now(UTC)))
        if not ahead <= self._known:
            await ensure_partitions(connection, ahead)
        late = missing - ahead
        closed = set[Month]()
        if late:
            closed = await open_late_months(connection, resolved.kits_by_month(late), self._most_per_hour)
        self._known |= (missing | ahead) - closed
        return resolve(batch, replace(knowledge, closed_months=closed)) if closed else resolved
