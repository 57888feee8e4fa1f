"""Notes who comes, goes and is heard, and announces what follows from it."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.domain.presence.store import (
    announce_changes,
    forget_connections,
    kits_named,
    next_kits,
    note_connections,
    note_contacts,
)

log = logging.getLogger(__name__)

_COLLECT_SECONDS = 0.05
_RETRY_SECONDS = 2.0
_LOOK_SECONDS = 10.0
_KITS_AT_ONCE = 1000

_DATABASE_FAILURES = (SQLAlchemyError, OSError, TimeoutError)


class PresenceKeeper:
    """Told of events by transports; writes them together, soon. What waits is one entry per kit at most."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._connections: dict[str, bool] = {}
        self._contacts: set[str] = set()
        self._arrived = asyncio.Event()
        self._closed = False

    def connection_changed(self, serial: str, is_connected: bool) -> None:
        """A kit has connected, or its last connection is gone."""
        if not self._closed:
            self._connections[serial] = is_connected
            self._arrived.set()

    def heard(self, serial: str) -> None:
        """Something other than a reading has come from a kit."""
        self._contacts.add(serial)
        self._arrived.set()

    def close(self) -> None:
        """Note no more that kits go: from now on it is us who cut them off."""
        self._closed = True

    async def begin(self) -> None:
        """Note that nobody is connected yet. For a process that kits connect to, before it listens."""
        async with self._engine.begin() as connection:
            await forget_connections(connection)

    async def run(self) -> None:
        """Write until cancelled; what cannot be written now is written later."""
        while True:
            await self._arrived.wait()
            # Kits come in swarms: together they cost hardly more than one.
            await asyncio.sleep(_COLLECT_SECONDS)
            self._arrived.clear()
            connections, self._connections = self._connections, {}
            contacts, self._contacts = self._contacts, set()
            try:
                await self._write(connections, contacts)
            except _DATABASE_FAILURES as error:
                log.info("who is there cannot be noted now: %s", error)
                self._connections = connections | self._connections
                self._contacts |= contacts
                self._arrived.set()
                await asyncio.sleep(_RETRY_SECONDS)

    async def _write(self, connections: dict[str, bool], contacts: set[str]) -> None:
        async with self._engine.begin() as connection:
            if contacts:
                await note_contacts(connection, contacts)
            if connections:
                await note_connections(connection, connections)
            kit_ids = await kits_named(connection, contacts | connections.keys())
            await announce_changes(connection, datetime.now(UTC), kit_ids)


async def watch_presence(engine: AsyncEngine) -> None:
    """Announce, until cancelled, which kits have fallen silent. A job: raises when the database fails."""
    while True:
        after = 0
        while True:
            async with engine.begin() as connection:
                kit_ids = await next_kits(connection, after, _KITS_AT_ONCE)
                await announce_changes(connection, datetime.now(UTC), kit_ids)
            if len(kit_ids) < _KITS_AT_ONCE:
                break
            after = kit_ids[-1]
        await asyncio.sleep(_LOOK_SECONDS)
