"""The directory of open connections."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Hashable
from itertools import pairwise
from typing import Generic, Protocol, TypeVar

from hortus.protocol.mqtt.endpoint.containment import contained
from hortus.protocol.mqtt.endpoint.counters import EndpointCounters
from hortus.protocol.mqtt.endpoint.identity import Identity, IdentityKind, OnPresence
from hortus.protocol.mqtt.endpoint.limits import EndpointLimits
from hortus.protocol.mqtt.endpoint.occasional import Occasional
from hortus.protocol.mqtt.packets import ReasonCode

logger = logging.getLogger(__name__)


class Listed(Hashable, Protocol):
    """A connection. `username` is the name it logs in with, `identity` its identity once authenticated."""

    peer_address: str
    username: str | None
    identity: Identity | None
    last_heard_at: float

    @property
    def is_closing(self) -> bool: ...

    def close(self, reason: ReasonCode) -> None: ...

    def abort(self) -> None: ...


Entry = TypeVar("Entry", bound=Listed)


class Directory(Generic[Entry]):
    """All connections; reports when the first connection of a kit opens and its last one closes."""

    def __init__(self, *, limits: EndpointLimits, counters: EndpointCounters, on_presence: OnPresence) -> None:
        self._limits = limits
        self._counters = counters
        self._on_presence = on_presence
        self._connections: set[Entry] = set()
        self._strangers: set[Entry] = set()
        # Strangers that have not sent CONNECT, in all and by address. These dicts are used as ordered sets.
        self._silent: dict[Entry, None] = {}
        self._silent_of: dict[str, dict[Entry, None]] = {}
        # In the order of log-in, with its time.
        self._kits: dict[str, dict[Entry, float]] = {}
        self._readers: dict[str, dict[Entry, float]] = {}
        self._empty = asyncio.Event()
        self._log = Occasional()

    def admit(self, connection: Entry) -> bool:
        """Register a new connection; return False if there is no room for it.

        Room is made by the connection that has been silent for longest: a client sends CONNECT at once.
        """
        of_address = self._silent_of.get(connection.peer_address, {})
        if len(of_address) >= self._limits.max_silent_connections_of_address:
            self._displace(next(iter(of_address)))
        is_full = len(self._connections) >= self._limits.max_connections
        if is_full or len(self._strangers) >= self._limits.max_unauthenticated_connections:
            if not self._silent:
                return False
            self._displace(next(iter(self._silent)))
        self._connections.add(connection)
        self._strangers.add(connection)
        self._silent[connection] = None
        self._silent_of.setdefault(connection.peer_address, {})[connection] = None
        self._counters.connections = len(self._connections)
        return True

    def introduced(self, connection: Entry) -> None:
        """Register that a connection has sent CONNECT."""
        self._silent.pop(connection, None)
        of_address = self._silent_of.get(connection.peer_address)
        if of_address is not None:
            of_address.pop(connection, None)
            if not of_address:
                del self._silent_of[connection.peer_address]

    def _displace(self, connection: Entry) -> None:
        self._counters.connections_displaced += 1
        if self._log.is_due("silent", asyncio.get_running_loop().time()):
            logger.warning(
                "%d connections have not sent CONNECT; the oldest, from %s, was closed to make room.",
                *(len(self._silent), connection.peer_address),
            )
        self.introduced(connection)
        self._strangers.discard(connection)
        with contained(self._counters, "The connection from %s was not closed.", connection.peer_address):
            connection.abort()

    def accepted(self, connection: Entry) -> None:
        """Register a connection as logged in."""
        self._strangers.discard(connection)
        identity = connection.identity
        if identity is None or identity.kind is IdentityKind.SERVER:
            return
        connections = self._of_kind(identity.kind).setdefault(identity.name, {})
        connections[connection] = asyncio.get_running_loop().time()
        if len(connections) == 1 and identity.kind is IdentityKind.KIT:
            self._tell(identity.name, True)
        open_connections = [each for each in connections if not each.is_closing]
        if len(open_connections) > self._limits.max_connections_of_kit:
            who = f"{identity.kind} {identity.name}"
            logger.warning("There are too many connections of %s; the oldest was closed.", who)
            with contained(self._counters, "A connection of %s was not closed.", who):
                open_connections[0].close(ReasonCode.QUOTA_EXCEEDED)

    def _of_kind(self, kind: IdentityKind) -> dict[str, dict[Entry, float]]:
        return self._kits if kind is IdentityKind.KIT else self._readers

    def turned_away(self, connection: Entry) -> None:
        """Stop counting a connection as unauthenticated while it only waits for its refusal."""
        self._strangers.discard(connection)

    def remove(self, connection: Entry) -> None:
        """Remove a closed connection."""
        self.introduced(connection)
        self._connections.discard(connection)
        self._strangers.discard(connection)
        self._counters.connections = len(self._connections)
        if not self._connections:
            self._empty.set()
        identity = connection.identity
        if identity is None:
            return
        of_kind = self._of_kind(identity.kind)
        if connection in of_kind.get(identity.name, ()):
            connections = of_kind[identity.name]
            del connections[connection]
            if not connections:
                del of_kind[identity.name]
                if identity.kind is IdentityKind.KIT:
                    self._tell(identity.name, False)

    def all(self) -> list[Entry]:
        return list(self._connections)

    async def wait_until_empty(self) -> None:
        """Return when no connection is left."""
        while self._connections:
            self._empty.clear()
            await self._empty.wait()

    def of_kit(self, serial: str) -> list[Entry]:
        """Return the connections of a kit, including those that are just logging in with its name."""
        return [*self._kits.get(serial, ()), *self._logging_in(serial)]

    def of_reader(self, name: str) -> list[Entry]:
        """Return the connections of a read-only account, including those that are just logging in."""
        return [*self._readers.get(name, ()), *self._logging_in(name)]

    def logging_in(self) -> list[Entry]:
        """Return the connections of clients that are just logging in."""
        return [each for each in self._strangers if each.username is not None]

    def identities(self) -> set[Identity]:
        """Return the identities of all kits and readers that are connected."""
        by_name = (*self._kits.values(), *self._readers.values())
        return {each.identity for connections in by_name for each in connections if each.identity is not None}

    def _logging_in(self, username: str) -> list[Entry]:
        return [each for each in self._strangers if each.username == username]

    def sharing(self) -> list[tuple[str, Entry, Entry]]:
        """Return the kits that several clients are connected for, each with two of their connections.

        The older of them was heard after the newer one had logged in.
        """
        grace_seconds = self._limits.sharing_grace_seconds
        found = []
        for serial, connections in self._kits.items():
            if len(connections) < 2:
                continue
            in_order = [each for each in connections.items() if not each[0].is_closing]
            for (older, _), (newer, logged_in_at) in pairwise(in_order):
                if older.last_heard_at > logged_in_at + grace_seconds:
                    found.append((serial, older, newer))
                    break
        return found

    def is_connected(self, serial: str) -> bool:
        """Return whether a kit is connected."""
        return serial in self._kits

    def _tell(self, serial: str, is_connected: bool) -> None:
        try:
            self._on_presence(serial, is_connected)
        except Exception:  # presence is informational; it must not harm the connection
            self._counters.callback_errors += 1
            logger.exception("The presence of kit %s could not be recorded.", serial)
