"""Whether changed kit accounts are noted for an external broker, and noting them."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.settings import Settings
from hortus.domain.kits.store import AccountChanges, NoExternalBroker
from hortus.flow.broker.changes import PasswordCipher, note_kit_deleted, note_password_set


class NotedForBroker:
    """Notes changes in the transaction that makes them; `hortus broker sync` applies them to the broker."""

    def __init__(self, cipher: PasswordCipher) -> None:
        self._cipher = cipher

    async def password_set(self, connection: AsyncConnection, serial: str, password: str) -> None:
        """Note that a kit is new or has a new password."""
        await note_password_set(connection, self._cipher, serial, password)

    async def kit_deleted(self, connection: AsyncConnection, serial: str) -> None:
        """Note that a kit is gone."""
        await note_kit_deleted(connection, serial)


def account_changes(settings: Settings) -> AccountChanges:
    """Return where changes of kit accounts go: to the broker's notes if HORTUS_BROKER_KEY is set."""
    if settings.broker_key is None:
        return NoExternalBroker()
    return NotedForBroker(PasswordCipher(settings.broker_key.get_secret_value()))
