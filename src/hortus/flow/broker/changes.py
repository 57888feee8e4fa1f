"""Noting that a kit's account changed, so that the broker will be told (transactional outbox)."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from hortus.base.errors import UsageError
from hortus.flow.broker.tables import AccountAction, BrokerAccountChangeRow


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountChange:
    """A change that waits for the broker. `encrypted_password` is there when `action` is SET."""

    id: int
    serial: str
    action: AccountAction
    encrypted_password: bytes | None = field(repr=False)


class PasswordUnreadableError(UsageError):
    """A noted password was encrypted with another secret."""


class PasswordCipher:
    """Hides passwords that wait in the database for the broker, with a key derived from a secret setting."""

    def __init__(self, secret: str) -> None:
        if not secret:
            raise UsageError(
                "The secret that protects waiting passwords is empty; set it to a long random text."
            )
        key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"hortus broker passwords").derive(
            secret.encode()
        )
        self._fernet = Fernet(base64.urlsafe_b64encode(key))

    def encrypt(self, password: str) -> bytes:
        """Return the password so that only a holder of the secret can read it."""
        return self._fernet.encrypt(password.encode())

    def decrypt(self, encrypted_password: bytes) -> str:
        """Return the password; raises PasswordUnreadableError if another secret was used."""
        try:
            return self._fernet.decrypt(encrypted_password).decode()
        except InvalidToken as error:
            raise PasswordUnreadableError(
                "The password was noted under another secret and cannot be read; give the kit a new password."
            ) from error


async def note_password_set(
    connection: AsyncConnection | AsyncSession, cipher: PasswordCipher, serial: str, password: str
) -> None:
    """Note that a kit is new or has a new password. Call it in the transaction that changes the kit.

    After the statement that inserts or updates the kit's row: its lock keeps changes of one kit in order.
    """
    await connection.execute(
        insert(BrokerAccountChangeRow).values(
            serial=serial,
            action=AccountAction.SET.value,
            encrypted_password=cipher.encrypt(password),
        )
    )


async def note_kit_deleted(connection: AsyncConnection | AsyncSession, serial: str) -> None:
    """Note that a kit is gone. Call it in the transaction that deletes the kit, after deleting."""
    await connection.execute(
        insert(BrokerAccountChangeRow).values(serial=serial, action=AccountAction.DELETE.value)
    )


async def next_changes(connection: AsyncConnection, limit: int) -> Sequence[AccountChange]:
    """Return the oldest changes that can still be applied."""
    row = BrokerAccountChangeRow
    found = await connection.execute(
        select(row.id, row.serial, row.action, row.encrypted_password)
        .where(row.failure.is_(None))
        .order_by(row.id)
        .limit(limit)
    )
    return [
        AccountChange(
            id=id_, serial=serial, action=AccountAction(action), encrypted_password=encrypted_password
        )
        for id_, serial, action, encrypted_password in found
    ]


async def forget_change(connection: AsyncConnection, change: AccountChange) -> None:
    """Delete an applied change, and what had failed for the same kit before it: that is settled with it."""
    row = BrokerAccountChangeRow
    await connection.execute(delete(row).where(row.serial == change.serial, row.id <= change.id))


async def set_change_aside(connection: AsyncConnection, change: AccountChange, failure: str) -> None:
    """Keep a change that can never be applied, with the reason."""
    row = BrokerAccountChangeRow
    await connection.execute(update(row).where(row.id == change.id).values(failure=failure))
