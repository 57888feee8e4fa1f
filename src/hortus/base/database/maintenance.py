"""Housekeeping that any process may run at any time: create future partitions, delete old batch records."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import asyncpg

from hortus.base.database.engine import CONNECTION_FAILURES, close_soon
from hortus.base.database.partitions import ensure_partitions, months_ahead
from hortus.base.errors import describe_error
from hortus.base.supervision import note_failure, note_success

log = logging.getLogger(__name__)

EVERY_SECONDS = 3600.0
_RETRY_SECONDS = 30.0
# A healthy database needs seconds. A hanging one must not block this job for ever, nor its locks the readings.
_LONGEST_SECONDS = 300.0

# A record is needed only while the writer of that batch may still check whether its commit succeeded.
_DELETE_OLD_BATCHES = "DELETE FROM ingest_batches WHERE committed_at < now() - interval '1 day'"


async def maintain(connect: Callable[[], Awaitable[asyncpg.Connection]]) -> None:
    """Run housekeeping until cancelled. Several processes may do so at once."""
    while True:
        try:
            connection = await connect()
            try:
                async with asyncio.timeout(_LONGEST_SECONDS):
                    await ensure_partitions(connection, months_ahead(datetime.now(UTC)))
                    await connection.execute(_DELETE_OLD_BATCHES)
            finally:
                await close_soon(connection)
        except CONNECTION_FAILURES as error:
            note_failure(error)
            log.info("housekeeping was postponed: %s", describe_error(error))
            await asyncio.sleep(_RETRY_SECONDS)
        else:
            note_success()
            await asyncio.sleep(EVERY_SECONDS)
