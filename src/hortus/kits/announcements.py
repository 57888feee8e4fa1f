"""Following changes of kits, configurations and quantity types as the database announces them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

import asyncpg

from hortus.database.engine import CONNECTION_FAILURES
from hortus.database.triggers import REGISTRY_CHANNEL

log = logging.getLogger(__name__)

_RETRY_SECONDS = 2.0
_ASK_EVERY_SECONDS = 15.0
_ANSWER_SECONDS = 5.0

Listener = Callable[[str, str], None]
"""Called with what changed (`kit-deleted`, `kit-password`, `kit-configuration`, `quantity-types`, or
`reconnected` when announcements may have been missed) and the kit's serial (or an empty text)."""


async def follow_announcements(
    connect: Callable[[], Awaitable[asyncpg.Connection]], listeners: list[Listener]
) -> None:
    """Pass announcements to the listeners until cancelled; reconnect for ever."""
    while True:
        try:
            connection = await connect()
        except CONNECTION_FAILURES:
            await asyncio.sleep(_RETRY_SECONDS)
            continue
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _connection, lost=lost: lost.set())
        try:
            await connection.add_listener(
                REGISTRY_CHANNEL, lambda _c, _pid, _channel, payload: _announce(listeners, payload)
            )
            _announce(listeners, "reconnected ")
            await _lost_or_silent(connection, lost)
            log.warning("lost the connection that announces changes of kits; connecting again")
        except CONNECTION_FAILURES:
            await asyncio.sleep(_RETRY_SECONDS)
        finally:
            with contextlib.suppress(Exception):  # it may be half closed already; nothing is lost with it
                await connection.close(timeout=1)


async def _lost_or_silent(connection: asyncpg.Connection, lost: asyncio.Event) -> None:
    """Return when the connection has ended. One that is dead without a word raises at the next question."""
    while not lost.is_set():
        try:
            async with asyncio.timeout(_ASK_EVERY_SECONDS):
                await lost.wait()
        except TimeoutError:
            await connection.execute("SELECT 1", timeout=_ANSWER_SECONDS)


def _announce(listeners: list[Listener], payload: str) -> None:
    what, _, serial = payload.partition(" ")
    for listener in listeners:
        listener(what, serial)
