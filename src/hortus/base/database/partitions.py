"""Monthly partitions of the measurement tables, created ahead of time and, for late data, on demand.

Retention drops a whole month at once, and the index that inserts go to stays small. Months are in UTC.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg

PARTITIONED_TABLES = ("raw_measurements", "aggregate_measurements")
MONTHS_AHEAD = 3


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A calendar month in UTC, from its first instant up to but excluding that of the next."""

    year: int
    month: int

    @classmethod
    def of(cls, moment: datetime) -> Month:
        """Return the month that contains the aware datetime `moment`."""
        utc = moment.astimezone(UTC)
        return cls(utc.year, utc.month)

    def later(self, months: int) -> Month:
        index = self.year * 12 + self.month - 1 + months
        return Month(index // 12, index % 12 + 1)

    @property
    def start(self) -> str:
        """The month's first instant, for PostgreSQL, which unlike `datetime` knows years after 9999."""
        return f"{self.year:04d}-{self.month:02d}-01T00:00:00+00:00"

    def partition_of(self, table: str) -> str:
        """Return the name of the partition of `table` that holds this month."""
        return f"{table}_y{self.year:04d}m{self.month:02d}"


def months_ahead(now: datetime) -> list[Month]:
    """Return the months whose partitions should exist in advance: the previous, the current and a few more."""
    return [Month.of(now).later(offset) for offset in range(-1, MONTHS_AHEAD + 1)]


async def ensure_partitions(connection: asyncpg.Connection, months: Iterable[Month]) -> None:
    """Create the partitions of these months for all measurement tables, where they do not exist yet.

    Safe with any number of concurrent processes: one creates a partition, the others wait and find it. A
    partition is built as a separate table and then attached, because that does not block readers and writers of
    the parent, as CREATE TABLE … PARTITION OF would.
    """
    for month in sorted(set(months)):
        for table in PARTITIONED_TABLES:
            await _ensure_partition(connection, table, month)


async def existing_months(connection: asyncpg.Connection, months: Iterable[Month]) -> set[Month]:
    """Return those of these months that have a partition in each measurement table."""
    by_name = {month.partition_of(table): month for month in months for table in PARTITIONED_TABLES}
    attached = "SELECT name FROM unnest($1::text[]) AS name JOIN pg_inherits ON inhrelid = to_regclass(name)"
    present = Counter(by_name[row["name"]] for row in await connection.fetch(attached, list(by_name)))
    return {month for month, tables in present.items() if tables == len(PARTITIONED_TABLES)}


async def lock_partitions(connection: asyncpg.Connection) -> None:
    """Let no other process create partitions until the transaction ends."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtext('hortus partitions'))")


async def _ensure_partition(connection: asyncpg.Connection, table: str, month: Month) -> None:
    partition = month.partition_of(table)
    attached = "SELECT 1 FROM pg_inherits WHERE inhrelid = to_regclass($1)"
    if await connection.fetchval(attached, partition):
        return
    async with connection.transaction():
        await lock_partitions(connection)
        if await connection.fetchval(attached, partition):
            return
        # Names and bounds come from our own constants and integers; DDL takes no parameters.
        await connection.execute(
            f"CREATE TABLE {partition} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"
        )
        await connection.execute(
            f"ALTER TABLE {table} ATTACH PARTITION {partition} FOR VALUES "
            f"FROM ('{month.start}') TO ('{month.later(1).start}')"
        )
