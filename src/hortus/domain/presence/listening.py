"""The heartbeat of processes that listen to kits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import asyncpg

from hortus.base.database.engine import CONNECTION_FAILURES, close_soon
from hortus.base.errors import describe_error
from hortus.base.supervision import note_failure, note_success
from hortus.domain.presence.judgement import ALIVE

log = logging.getLogger(__name__)

BEAT_SECONDS = 10.0
_RETRY_SECONDS = 2.0
_ANSWER_SECONDS = 5.0

_BEAT = """
INSERT INTO presence_listening AS l (id, listening_since, listening_until)
VALUES (1, now(), now())
ON CONFLICT (id) DO UPDATE SET
    listening_until = now(),
    listening_since = CASE WHEN l.listening_until < now() - $1::interval
        THEN now() ELSE l.listening_since END,
    previous_until = CASE WHEN l.listening_until < now() - $1::interval
        THEN l.listening_until ELSE l.previous_until END
"""

# Before the beat, which ends the outage. Of processes that begin again at once, the lock lets one note it.
_NOTE_OUTAGE = """
INSERT INTO listening_outages (since, until)
SELECT listening_until, now() FROM presence_listening WHERE listening_until < now() - $1::interval FOR UPDATE
ON CONFLICT (since) DO NOTHING
"""


async def keep_listening(
    connect: Callable[[], Awaitable[asyncpg.Connection]], can_hear: Callable[[], bool] = lambda: True
) -> None:
    """Record, until cancelled, that this process can hear kits, so that their silence is not due to us."""
    while True:
        try:
            connection = await connect()
            try:
                while True:
                    if can_hear():
                        await _beat(connection)
                    note_success()
                    await asyncio.sleep(BEAT_SECONDS)
            finally:
                await close_soon(connection)
        except CONNECTION_FAILURES as error:
            note_failure(error)
            log.debug("cannot record that this process listens to kits: %s", describe_error(error))
            await asyncio.sleep(_RETRY_SECONDS)


async def _beat(connection: asyncpg.Connection) -> None:
    async with connection.transaction():
        await connection.execute(_NOTE_OUTAGE, ALIVE, timeout=_ANSWER_SECONDS)
        await connection.execute(_BEAT, ALIVE, timeout=_ANSWER_SECONDS)
