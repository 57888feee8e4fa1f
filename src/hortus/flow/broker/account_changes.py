"""Records changes of kit accounts for an external broker, if one is configured."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.settings import Settings
from hortus.domain.kits.store import AccountChanges, NoExternalBroker
from hortus.flow.broker.changes import PasswordCipher, note_kit_deleted, note_password_set


class NotedForBroker:
    """Records each change in the transaction that makes it; `hortus broker sync` applies it to the broker."""

    def __init__(self, cipher: PasswordCipher) -> None:
        self._cipher = cipher

    async def password_set(self, connection: AsyncConnection, serial: str, password: str) -> None:
        """Record that a kit was created or given a new password."""
        await note_password_set(connection, self._cipher, serial, password)

    async def kit_deleted(self, connection: AsyncConnection, serial: str) -> None:
        """Record that a kit was deleted."""
        await note_kit_deleted(connection, serial)


def account_changes(settings: Settings) -> AccountChanges:
    """Return the recorder of account changes: a no-op unless HORTUS_BROKER_KEY is set."""
    if settings.broker_key is None:
        return NoExternalBroker()
    return NotedForBroker(PasswordCipher(settings.broker_key.get_secret_value()))
