"""Reads a kit's rows in order, in stretches of bounded size.

Each stretch is a statement of its own and is held in memory as a whole before it is passed on, so no
transaction waits for a slow reader and memory use is bounded. The result is nevertheless complete:

* Every row stored before reading began is included exactly once, ordered by time and id.
* Rows that arrive later have a later `received_at` and are excluded. (A row that had arrived but was still
  being stored may or may not be included.)
* If anything is deleted while reading, the read fails instead of ending early.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime

import asyncpg

from hortus.base.database.engine import CONNECTION_FAILURES
from hortus.base.errors import OperationalError, describe_error
from hortus.flow.export.selection import (
    PLACES,
    Data,
    Position,
    Selection,
    Where,
    between,
    conditions,
)

STRETCH_ROWS = 20_000
"""About 2 MB of text, read in a tenth of a second."""

ANSWER_SECONDS = 5.0
"""The timeout for the database's first answer."""

STATEMENT_SECONDS = 120.0
"""The timeout of a statement; an unresponsive database ends the export."""

Connect = Callable[[], Awaitable[asyncpg.Connection]]

# No stored reading has a later arrival time than the kit's "last seen", so this bounds the present rows
# even if the clocks of several ingesters differ.
_OPEN = """
SELECT greatest(clock_timestamp(), (SELECT datetime_last_seen FROM kit_last_seen WHERE kit_id = k.id)) AS until,
       (SELECT coalesce(array_agg(id), '{}') FROM peripherals
        WHERE kit_id = k.id AND deleted_at IS NULL) AS peripheral_ids,
       ARRAY(SELECT id FROM kit_configurations
             WHERE kit_id = k.id AND deleted_at IS NOT NULL) AS deleted_configuration_ids,
       (SELECT coalesce(array_agg(inhrelid), '{}') FROM pg_inherits
        WHERE inhparent IN ('raw_measurements'::regclass, 'aggregate_measurements'::regclass)) AS partitions
FROM kits k WHERE k.id = $1
"""
# Readings are only deleted with their peripheral or with their partition.
_IS_STILL_THERE = """
SELECT EXISTS (SELECT FROM kits WHERE id = $1)
   AND (SELECT count(*) FROM peripherals WHERE id = ANY($2::int[]) AND deleted_at IS NULL)
       = cardinality($2::int[])
   AND (SELECT count(*) FROM pg_inherits WHERE inhrelid = ANY($3::oid[])) = cardinality($3::oid[])
"""


class ExportFailed(OperationalError):
    """The readings could not be read to the end; the output so far is incomplete."""


class SomethingDeleted(ExportFailed):
    """Readings were deleted while they were being read."""

    def __init__(self) -> None:
        super().__init__("Readings were deleted while they were being read. Start again for what is left.")


class ExportedKit:
    """A kit whose rows are being exported over one connection."""

    def __init__(
        self,
        connection: asyncpg.Connection,
        kit_id: int,
        until: datetime,
        peripheral_ids: list[int],
        deleted_configuration_ids: list[int],
        partitions: list[int],
    ) -> None:
        self.connection = connection
        self.kit_id = kit_id
        self.until = until
        self._peripheral_ids = peripheral_ids
        self._deleted_configuration_ids = deleted_configuration_ids
        self._partitions = partitions

    async def stretches(self, selection: Selection) -> AsyncIterator[Where]:
        """Yield the conditions of each stretch of the selection, in order.

        Raises SomethingDeleted after a stretch that may have been incomplete when it was read.
        """
        after: Position | None = None
        while True:
            up_to = await self._end_of_stretch(selection, after)
            where = conditions(self.kit_id, selection)
            where.add("m.received_at <= {}", self.until)
            # As they were at the beginning: of one that is brought back meanwhile, only a part would be read.
            where.add("m.kit_configuration_id <> ALL ({}::int[])", self._deleted_configuration_ids)
            between(where, selection.data, after, up_to)
            yield where
            await self._require_still_there()
            if up_to is None:
                return
            after = up_to

    async def copy(self, query: str, where: Where, **options: str) -> tuple[bytes, int]:
        """Return the output of COPY for the query, and its number of rows. CSV unless `options` differ."""
        parts: list[bytes] = []

        async def keep(part: bytes) -> None:
            parts.append(part)

        async with asyncio.timeout(STATEMENT_SECONDS):
            status = await self.connection.copy_from_query(
                query, *where.arguments, output=keep, format="csv", **options
            )
        return b"".join(parts), int(status.rpartition(" ")[2])

    async def value_names(self, where: Where, most: int) -> set[str]:
        """Return the names of the values in a stretch of aggregates, `most` at most."""
        table = PLACES[Data.AGGREGATE].table
        rows = await self.connection.fetch(
            f'SELECT DISTINCT jsonb_object_keys(m.values) COLLATE "C" AS name FROM {table} m '  # noqa: S608
            f"WHERE {where} ORDER BY name LIMIT {most}",
            *where.arguments,
            timeout=STATEMENT_SECONDS,
        )
        return {row[0] for row in rows}

    async def require_only_these_values(self, where: Where, names: Sequence[str]) -> None:
        """Raise ExportFailed if aggregates of a stretch have values with names other than these."""
        where = Where(list(where.conditions), list(where.arguments))
        where.add("m.values - {}::text[] <> '{{}}'", names)
        table = PLACES[Data.AGGREGATE].table
        if await self.connection.fetchval(
            f"SELECT EXISTS (SELECT FROM {table} m WHERE {where})",  # noqa: S608
            *where.arguments,
            timeout=STATEMENT_SECONDS,
        ):
            raise ExportFailed("Aggregates with values of new names were stored meanwhile. Start again.")

    async def _end_of_stretch(self, selection: Selection, after: Position | None) -> Position | None:
        """Return the position of the last row of the next stretch, or None if that is the last stretch.

        Rows are counted in the index alone, ignoring the other conditions of the selection.
        """
        where = conditions(
            self.kit_id, Selection(data=selection.data, start=selection.start, end=selection.end)
        )
        between(where, selection.data, after, None)
        place = PLACES[selection.data]
        row = await self.connection.fetchrow(
            f"SELECT m.{place.time}, m.id FROM {place.table} m WHERE {where} "  # noqa: S608  (our own names)
            f"ORDER BY m.{place.time}, m.id OFFSET {STRETCH_ROWS - 1} LIMIT 1",
            *where.arguments,
            timeout=STATEMENT_SECONDS,
        )
        return Position(*row) if row else None

    async def _require_still_there(self) -> None:
        if not await self.connection.fetchval(
            _IS_STILL_THERE, self.kit_id, self._peripheral_ids, self._partitions, timeout=STATEMENT_SECONDS
        ):
            raise SomethingDeleted


@asynccontextmanager
async def open_source(connect: Connect, kit_id: int) -> AsyncIterator[ExportedKit | None]:
    """Open a source of the kit's rows on a dedicated connection; yield None if the kit does not exist.

    Raises what asyncpg raises when the database cannot be reached. On exit, a running statement is aborted.
    """
    connection = await connect()
    try:
        row = await connection.fetchrow(_OPEN, kit_id, timeout=ANSWER_SECONDS)
        yield ExportedKit(connection, kit_id, *row) if row else None
    finally:
        connection.terminate()


@contextmanager
def failures_in_words() -> Iterator[None]:
    """Translate every database failure during an export into ExportFailed."""
    try:
        yield
    except CONNECTION_FAILURES as error:
        raise ExportFailed(
            f"The database stopped answering before everything was read ({describe_error(error)})."
        ) from error
