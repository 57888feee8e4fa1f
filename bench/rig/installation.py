"""A database with the shipped settings and fifty kits."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.database.engine import connector, open_engine
from hortus.base.database.url import DatabaseUrl
from hortus.base.embedded_postgres.postgres import EmbeddedPostgres
from hortus.base.installation.access import embedded_postgres, open_database
from hortus.base.installation.data_directory import DataDirectory
from hortus.domain.definitions.store import load_definitions
from hortus.domain.kits.store import KitStore, NewKit, add_standard_configuration
from hortus.flow.migrations.migrate import upgrade
from rig.processes import BenchError

KITS = 50

_EMPTY = """
TRUNCATE raw_measurements, aggregate_measurements, quarantine, ingest_ledger, ingest_ledger_reasons,
         ingest_batches, series_touched_hours, series_hours, series_days
"""
_LEDGER = """
SELECT coalesce(sum(stored), 0)::bigint AS stored, coalesce(sum(duplicate), 0)::bigint AS duplicate,
       coalesce(sum(quarantined + refused), 0)::bigint AS other
FROM ingest_ledger
"""
# Device times of a load are at most seconds old; the first condition excludes older partitions.
_ROWS_SINCE = """
SELECT count(*) FROM raw_measurements
WHERE datetime >= to_timestamp($1) - interval '5 minutes' AND received_at >= to_timestamp($1 - 0.001)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kit:
    """A kit with the ids its readings need. `series`: pairs of peripheral id and quantity type id."""

    serial: str
    password: str
    series: list[tuple[int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The ledger's counts of all messages since it was emptied."""

    stored: int
    duplicate: int
    other: int

    @property
    def all(self) -> int:
        """The number of messages with any outcome."""
        return self.stored + self.duplicate + self.other


@dataclass(frozen=True, slots=True)
class Installation:
    """A running database. `connection` is for observation; it is not the ingester's."""

    postgres: EmbeddedPostgres
    url: DatabaseUrl
    connection: asyncpg.Connection
    kits: list[Kit]

    @property
    def postgres_process_id(self) -> int:
        """The process id of PostgreSQL's main process."""
        process_id = self.postgres.process_id
        if process_id is None:
            raise BenchError("PostgreSQL has ended; its log says why.")
        return process_id

    async def counts(self) -> Counts:
        """Return the outcomes of all messages so far."""
        return Counts(**dict(await self.connection.fetchrow(_LEDGER)))

    async def rows_since(self, moment: float) -> int:
        """Return how many readings were received since then (epoch seconds), from the table itself."""
        return int(await self.connection.fetchval(_ROWS_SINCE, moment))

    async def empty(self) -> None:
        """Delete all readings and counts, and start with a clean write-ahead log."""
        await self.connection.execute(_EMPTY)
        await self.checkpoint()

    async def checkpoint(self) -> None:
        """Flush pending writes of earlier work, so that they are not attributed to the next measurement."""
        connection = await asyncpg.connect(**self.postgres.superuser_url.asyncpg_arguments())
        try:
            await connection.execute("CHECKPOINT")
        finally:
            await connection.close()


@contextlib.asynccontextmanager
async def installation(
    path: Path, *, server_settings: dict[str, str] | None = None
) -> AsyncIterator[Installation]:
    """Run a database in the data directory `path`; if it is new, create the kits.

    `server_settings` are added to the shipped ones, for measurements that need additional information.
    """
    with DataDirectory.open(path) as directory:
        postgres = embedded_postgres(directory)
        url = await postgres.start()
        try:
            if server_settings:
                await _alter(postgres.superuser_url, server_settings)
                url = await postgres.restart()
            async with open_engine(url) as engine:
                await upgrade(engine)
                async with engine.begin() as transaction:
                    await load_definitions(transaction)
                    kits = await _make_kits(transaction)
            connection = await connector(url, "measuring")()
            try:
                yield Installation(postgres, url, connection, kits)
            finally:
                await connection.close()
        finally:
            await postgres.stop()


async def rows_in(path: Path) -> int:
    """Return the number of readings in a data directory that is not in use."""
    async with open_database(path, None) as url:
        connection = await connector(url, "measuring")()
        try:
            return int(await connection.fetchval("SELECT count(*) FROM raw_measurements"))
        finally:
            await connection.close()


async def _make_kits(transaction: AsyncConnection) -> list[Kit]:
    store = KitStore()
    kits = []
    for number in range(KITS):
        created = await store.create(transaction, NewKit(name=f"Kit {number} {secrets.token_hex(2)}"))
        peripherals = await add_standard_configuration(transaction, created.id)
        series = [(each.id, quantity) for each in peripherals for quantity in each.quantity_types]
        kits.append(Kit(serial=created.serial, password=created.password, series=series))
    return kits


async def _alter(url: DatabaseUrl, settings: dict[str, str]) -> None:
    connection = await asyncpg.connect(**url.asyncpg_arguments())
    try:
        for name, value in settings.items():
            await connection.execute(f"ALTER SYSTEM SET {name} = {value}")
    finally:
        await connection.close()
