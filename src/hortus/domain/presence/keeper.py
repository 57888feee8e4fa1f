"""Recording connections and contacts of kits, and announcing the changes of presence that follow."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.base.errors import describe_error
from hortus.base.supervision import note_failure, note_success, piece_of_work
from hortus.domain.presence.store import (
    announce_changes,
    forget_connections,
    kits_named,
    next_kits,
    note_connections,
    note_contacts,
    note_words,
)

log = logging.getLogger(__name__)

_COLLECT_SECONDS = 0.05
_RETRY_SECONDS = 2.0
LOOK_SECONDS = 10.0
_KITS_AT_ONCE = 1000

_DATABASE_FAILURES = (SQLAlchemyError, OSError, TimeoutError)


class PresenceKeeper:
    """Collects events from transports and soon writes them in one go. At most one pending entry per kit."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._connections: dict[str, bool] = {}
        self._contacts: set[str] = set()
        self._words: dict[str, str] = {}
        self._arrived = asyncio.Event()
        self._closed = False

    def connection_changed(self, serial: str, is_connected: bool) -> None:
        """Record that a kit connected, or that its last connection was closed."""
        if not self._closed:
            self._connections[serial] = is_connected
            self._arrived.set()

    def heard(self, serial: str) -> None:
        """Record that something other than a reading arrived from a kit."""
        self._contacts.add(serial)
        self._arrived.set()

    def said(self, serial: str, word: str) -> None:
        """Record what a kit says about itself. A will that we cause by closing connections does not count."""
        if not self._closed:
            self._words[serial] = word
            self._arrived.set()

    def close(self) -> None:
        """Stop recording connection changes: from now on, we close the connections ourselves."""
        self._closed = True

    async def begin(self) -> None:
        """Record that no kit is connected. Called by a process that kits connect to, before it listens."""
        async with self._engine.begin() as connection:
            await forget_connections(connection)

    async def run(self) -> None:
        """Write collected events until cancelled; failed writes are retried."""
        while True:
            await self._arrived.wait()
            # Kits connect in bursts: writing many costs hardly more than writing one.
            await asyncio.sleep(_COLLECT_SECONDS)
            self._arrived.clear()
            connections, self._connections = self._connections, {}
            contacts, self._contacts = self._contacts, set()
            words, self._words = self._words, {}
            try:
                with piece_of_work():
                    await self._write(connections, contacts, words)
                note_success()
            except _DATABASE_FAILURES as error:
                note_failure(error)
                log.info("cannot record presence now, will retry: %s", describe_error(error))
                self._connections = connections | self._connections
                self._contacts |= contacts
                self._words = words | self._words
                self._arrived.set()
                await asyncio.sleep(_RETRY_SECONDS)

    async def _write(self, connections: dict[str, bool], contacts: set[str], words: dict[str, str]) -> None:
        async with self._engine.begin() as connection:
            if contacts:
                await note_contacts(connection, contacts)
            if connections:
                await note_connections(connection, connections)
            if words:
                await note_words(connection, words)
            kit_ids = await kits_named(connection, contacts | connections.keys())
            await announce_changes(connection, datetime.now(UTC), kit_ids)


async def watch_presence(engine: AsyncEngine) -> None:
    """Announce kits that fall silent, until cancelled. A job: raises when the database fails."""
    while True:
        after = 0
        while True:
            async with engine.begin() as connection:
                kit_ids = await next_kits(connection, after, _KITS_AT_ONCE)
                await announce_changes(connection, datetime.now(UTC), kit_ids)
            if len(kit_ids) < _KITS_AT_ONCE:
                break
            after = kit_ids[-1]
        note_success()
        await asyncio.sleep(LOOK_SECONDS)
