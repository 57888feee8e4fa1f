"""Listening to a PostgreSQL notification channel, with reconnection."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import asyncpg

from hortus.base.database.engine import CONNECTION_FAILURES, close_soon
from hortus.base.events import set_within
from hortus.base.supervision import note_failure, note_success

log = logging.getLogger(__name__)

PING_SECONDS = 10.0
"""How often a connection that only listens is asked whether it still works. A dead one can stay silent."""

_RETRY_SECONDS = 2.0
_ANSWER_SECONDS = 5.0


async def listen(
    connect: Callable[[], Awaitable[asyncpg.Connection]],
    channel: str,
    *,
    tell: Callable[[str], None],
    connected: Callable[[], None],
) -> None:
    """Pass the payload of each notification to `tell` until cancelled, reconnecting without limit.

    `connected` is called each time listening begins: notifications sent before that may have been missed.
    """
    while True:
        try:
            connection = await connect()
        except CONNECTION_FAILURES as error:
            note_failure(error)
            await asyncio.sleep(_RETRY_SECONDS)
            continue
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _connection, lost=lost: lost.set())
        try:
            await connection.add_listener(channel, lambda _c, _pid, _channel, payload: tell(payload))
            connected()
            await _lost_or_silent(connection, lost)
            log.warning("lost the connection listening to %s; reconnecting", channel)
        except CONNECTION_FAILURES as error:
            note_failure(error)
            await asyncio.sleep(_RETRY_SECONDS)
        finally:
            await close_soon(connection)


async def _lost_or_silent(connection: asyncpg.Connection, lost: asyncio.Event) -> None:
    """Return when the connection was closed. A connection that died silently raises at the next probe."""
    note_success()
    while not await set_within(lost, PING_SECONDS):
        await connection.execute("SELECT 1", timeout=_ANSWER_SECONDS)
        note_success()
