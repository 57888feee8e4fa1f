"""Authentication at the built-in endpoint: kits, read-only accounts, and this installation's server account."""

from __future__ import annotations

import asyncio
import hmac

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

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
        identity, encoded = await self._find(username)
        # Off the event loop: deriving the key takes about 10 ms, during which hashlib releases the GIL.
        fits = await asyncio.to_thread(verify_password, password, encoded or self._nobody)
        return identity if fits else None

    async def _find(self, username: str) -> tuple[Identity | None, str | None]:
        """Return the account with this name, and the hash of its password."""
        async with self._engine.connect() as connection:
            encoded = await connection.scalar(select(KitRow.password_hash).where(KitRow.serial == username))
            if encoded is not None:
                return Identity(kind=IdentityKind.KIT, name=username), encoded
            row = MqttAccountRow
            found = await connection.execute(
                select(row.password_hash, row.read_filters).where(row.name == username)
            )
            reader = found.one_or_none()
        if reader is None:
            return None, None
        filters = tuple(reader.read_filters)
        return Identity(kind=IdentityKind.READER, name=username, read_filters=filters), reader.password_hash
