"""Personal API keys: credentials that a user hands to their own programs, limited to chosen scopes."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.database.access_changes import announce_user_access
from hortus.base.quotas import DEFAULT_QUOTAS
from hortus.domain.accounts.room import require_room
from hortus.domain.accounts.tables import ApiKeyRow

KEY_PREFIX = "hortus_"
"""Prefix of every key: distinguishes keys from tokens, and lets secret scanners recognise them."""

LONGEST_LIFETIME = timedelta(days=5 * 366)
DEFAULT_LIFETIME = timedelta(days=365)

MOST_KEY_NAME_CHARACTERS = 40

_KEY_BYTES = 32
# Updating it on every request would turn every read into a write.
_LAST_USED_RESOLUTION = timedelta(minutes=10)


class Scope(StrEnum):
    """A permission that a key has; a key never permits more than its owner has."""

    READ = "read"  # see kits, their configurations, readings and media
    CONFIGURE = "configure"  # edit kits and configurations, delete media
    CONTROL = "control"  # send commands to kits
    MANAGE = "manage"  # create and delete kits, set their passwords, edit members


ALL_SCOPES = frozenset(Scope)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key without its secret. `last_used_at` is exact to ten minutes."""

    id: int
    name: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyHolder:
    """The owner of a key, and the scopes of the key."""

    key_id: int
    user_id: int
    scopes: frozenset[Scope]


async def make_key(
    connection: AsyncConnection,
    user_id: int,
    *,
    name: str,
    scopes: Iterable[Scope],
    expires_at: datetime,
    now: datetime,
    most: int = DEFAULT_QUOTAS.api_keys_per_person,
) -> tuple[ApiKey, str]:
    """Create a key and return it with its secret, which is not stored. The caller commits.

    Raises QuotaReached.
    """
    present = select(func.count()).where(ApiKeyRow.user_id == user_id)
    await require_room(connection, user_id, present, most, "API keys in your account")
    secret = KEY_PREFIX + secrets.token_urlsafe(_KEY_BYTES)
    granted = tuple(scope for scope in Scope if scope in set(scopes))
    key_id = await connection.scalar(
        insert(ApiKeyRow)
        .values(
            user_id=user_id,
            name=name,
            key_hash=_hash(secret),
            scopes=[str(scope) for scope in granted],
            created_at=now,
            expires_at=expires_at,
        )
        .returning(ApiKeyRow.id)
    )
    assert key_id is not None
    key = ApiKey(id=key_id, name=name, scopes=granted, created_at=now, last_used_at=None, expires_at=expires_at)
    return key, secret


async def find_key_holder(connection: AsyncConnection, secret: str, now: datetime) -> KeyHolder | None:
    """Return the holder of this key, or None if it is unknown or expired. The caller commits.

    Records when the key was last used.
    """
    if not secret.isascii():
        return None
    row = (
        await connection.execute(
            select(ApiKeyRow.id, ApiKeyRow.user_id, ApiKeyRow.scopes, ApiKeyRow.last_used_at).where(
                ApiKeyRow.key_hash == _hash(secret), ApiKeyRow.expires_at > now
            )
        )
    ).one_or_none()
    if row is None:
        return None
    if row.last_used_at is None or row.last_used_at + _LAST_USED_RESOLUTION < now:
        await connection.execute(update(ApiKeyRow).where(ApiKeyRow.id == row.id).values(last_used_at=now))
    return KeyHolder(key_id=row.id, user_id=row.user_id, scopes=known_scopes(row.scopes))


async def list_keys(connection: AsyncConnection, user_id: int) -> list[ApiKey]:
    """Return the user's keys, oldest first, expired ones included."""
    rows = await connection.execute(
        select(
            ApiKeyRow.id,
            ApiKeyRow.name,
            ApiKeyRow.scopes,
            ApiKeyRow.created_at,
            ApiKeyRow.last_used_at,
            ApiKeyRow.expires_at,
        )
        .where(ApiKeyRow.user_id == user_id)
        .order_by(ApiKeyRow.id)
    )
    return [ApiKey(**{**row, "scopes": tuple(_known(row["scopes"]))}) for row in rows.mappings()]


async def delete_key(connection: AsyncConnection, user_id: int, key_id: int) -> bool:
    """Delete a key of the user; return whether it existed. The caller commits."""
    deleted = await connection.execute(
        delete(ApiKeyRow).where(ApiKeyRow.id == key_id, ApiKeyRow.user_id == user_id)
    )
    if deleted.rowcount > 0:
        await announce_user_access(connection, user_id)
    return deleted.rowcount > 0


def known_scopes(scopes: Iterable[str]) -> frozenset[Scope]:
    """Return the stored scopes that this version knows."""
    return frozenset(_known(scopes))


def _known(scopes: Iterable[str]) -> list[Scope]:
    # A later version may have added scopes; after a downgrade, unknown ones are ignored.
    return [scope for scope in Scope if str(scope) in set(scopes)]


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
