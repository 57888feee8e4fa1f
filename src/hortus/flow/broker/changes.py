"""The transactional outbox of account changes that are waiting to be applied to the broker."""

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
    """A change waiting to be applied to the broker. `encrypted_password` is set when `action` is SET."""

    id: int
    serial: str
    action: AccountAction
    encrypted_password: bytes | None = field(repr=False)


class PasswordUnreadableError(UsageError):
    """A recorded password was encrypted with a different secret."""


class PasswordCipher:
    """Encrypts passwords while they wait in the database, with a key derived from a secret setting."""

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
        return self._fernet.encrypt(password.encode())

    def decrypt(self, encrypted_password: bytes) -> str:
        """Return the plain-text password. Raises PasswordUnreadableError if another secret was used."""
        try:
            return self._fernet.decrypt(encrypted_password).decode()
        except InvalidToken as error:
            raise PasswordUnreadableError(
                "The password was noted under another secret and cannot be read; give the kit a new password."
            ) from error


async def note_password_set(
    connection: AsyncConnection | AsyncSession, cipher: PasswordCipher, serial: str, password: str
) -> None:
    """Record that a kit was created or given a new password.

    Call this in the transaction that changes the kit, after the statement that inserts or updates the kit's
    row: the row lock keeps the changes of one kit in order.
    """
    await connection.execute(
        insert(BrokerAccountChangeRow).values(
            serial=serial,
            action=AccountAction.SET.value,
            encrypted_password=cipher.encrypt(password),
        )
    )


async def note_kit_deleted(connection: AsyncConnection | AsyncSession, serial: str) -> None:
    """Record that a kit was deleted. Call this in the transaction that deletes the kit, after the deletion."""
    await connection.execute(
        insert(BrokerAccountChangeRow).values(serial=serial, action=AccountAction.DELETE.value)
    )


async def next_changes(connection: AsyncConnection, limit: int) -> Sequence[AccountChange]:
    """Return the oldest changes that have not failed, in order."""
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
    """Delete an applied change and all earlier failed changes of the same kit, which it supersedes."""
    row = BrokerAccountChangeRow
    await connection.execute(delete(row).where(row.serial == change.serial, row.id <= change.id))


async def set_change_aside(connection: AsyncConnection, change: AccountChange, failure: str) -> None:
    """Mark a change as one that can never be applied, and keep it with the reason."""
    row = BrokerAccountChangeRow
    await connection.execute(update(row).where(row.id == change.id).values(failure=failure))
