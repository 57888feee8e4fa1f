"""Authentication at the built-in endpoint: kits, read-only accounts, and this installation's server account."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Iterable, Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from hortus.domain.kits.identity import hash_password, make_password, verify_password
from hortus.domain.kits.tables import KitRow
from hortus.domain.mqtt_accounts.store import SERVER_ACCOUNT
from hortus.domain.mqtt_accounts.tables import MqttAccountRow
from hortus.protocol.mqtt.endpoint.identity import Identity, IdentityKind


class EndpointAuthenticator:
    """Verifies kits and readers against the database, the server account against the installation's secret."""

    def __init__(self, engine: AsyncEngine, *, server_password: str) -> None:
        self._engine = engine
        self._server_password = server_password.encode()
        # Unknown users take as long as wrong passwords, so that serials cannot be probed.
        self._nobody = hash_password(make_password())

    async def authenticate(self, username: str, password: bytes) -> Identity | None:
        """Return the client's identity, or None. Raises the database's error if it is unavailable."""
        if username == SERVER_ACCOUNT:
            if hmac.compare_digest(password, self._server_password):
                return Identity(kind=IdentityKind.SERVER, name=SERVER_ACCOUNT)
            return None
        async with self._engine.connect() as connection:
            accounts = await _accounts(connection, [username])
        identity, encoded = accounts.get(username, (None, None))
        # Off the event loop: deriving the key takes about 10 ms, during which hashlib releases the GIL.
        fits = await asyncio.to_thread(verify_password, password, encoded or self._nobody)
        return identity if fits else None

    async def outdated(self, identities: Iterable[Identity]) -> list[Identity]:
        """Return those of these kits and readers whose accounts were deleted or changed since their log-in."""
        connected = list(identities)
        async with self._engine.connect() as connection:
            accounts = await _accounts(connection, [each.name for each in connected])
        return [each for each in connected if accounts.get(each.name, (None, ""))[0] != each]


async def _accounts(connection: AsyncConnection, names: Sequence[str]) -> dict[str, tuple[Identity, str]]:
    """Return the accounts with these names, each with the hash of its password."""
    row = MqttAccountRow
    readers = await connection.execute(
        select(row.name, row.password_hash, row.read_filters).where(row.name.in_(names))
    )
    found = {
        name: (_identity(IdentityKind.READER, name, encoded, tuple(read_filters)), encoded)
        for name, encoded, read_filters in readers
    }
    # A kit goes first, whatever its serial: in a database from elsewhere it may be the name of an account.
    kits = await connection.execute(select(KitRow.serial, KitRow.password_hash).where(KitRow.serial.in_(names)))
    return found | {serial: (_identity(IdentityKind.KIT, serial, encoded), encoded) for serial, encoded in kits}


def _identity(kind: IdentityKind, name: str, encoded: str, read_filters: tuple[str, ...] = ()) -> Identity:
    stamp = hashlib.sha256(encoded.encode()).hexdigest()[:16]
    return Identity(kind=kind, name=name, read_filters=read_filters, credential=stamp)
