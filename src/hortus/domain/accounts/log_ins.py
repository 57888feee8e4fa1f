"""Long-lived log-ins: started with a password, used with a token or a cookie, ended singly or all at once."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid4

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.database.access_changes import announce_user_access
from hortus.domain.accounts.store import User, find_user
from hortus.domain.accounts.tables import RefreshTokenRow
from hortus.domain.accounts.tokens import REFRESH_LIFETIME, InvalidToken, RefreshClaims, TokenFault

MOST_PER_USER = 100
"""Keeps programs that log in for every task, instead of keeping their token, from filling the table. Beyond the
limit, which API and pages have each, the least recently used log-ins end."""


class Place(StrEnum):
    """Where someone logged in."""

    API = "api"
    PAGES = "pages"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogIn:
    """A log-in as shown to its user, who can tell log-ins apart only by place and times of use."""

    id: UUID
    place: Place
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime


async def start_log_in(
    connection: AsyncConnection,
    user: User,
    now: datetime,
    lifetime: timedelta = REFRESH_LIFETIME,
    place: Place = Place.API,
) -> UUID:
    """Record a new log-in and return its id, for the token or cookie. The caller commits."""
    token_id = uuid4()
    await connection.execute(
        insert(RefreshTokenRow).values(
            id=token_id,
            user_id=user.id,
            password_stamp=user.password_stamp,
            place=place,
            created_at=now,
            last_used_at=now,
            expires_at=now + lifetime,
        )
    )
    kept = (
        select(RefreshTokenRow.id)
        .where(
            RefreshTokenRow.user_id == user.id,
            RefreshTokenRow.place == place,
            RefreshTokenRow.expires_at > now,
        )
        .order_by(RefreshTokenRow.last_used_at.desc(), RefreshTokenRow.id)
        .limit(MOST_PER_USER)
    )
    await connection.execute(
        delete(RefreshTokenRow).where(
            RefreshTokenRow.user_id == user.id,
            RefreshTokenRow.place == place,
            RefreshTokenRow.id.not_in(kept),
            RefreshTokenRow.id != token_id,
        )
    )
    return token_id


async def use_log_in(connection: AsyncConnection, claims: RefreshClaims, now: datetime) -> User:
    """Return the user of a log-in and record its use. The caller commits.

    Raises InvalidToken if the log-in was ended, the password changed since, or the user no longer exists.
    """
    stamp = await connection.scalar(
        update(RefreshTokenRow)
        .where(RefreshTokenRow.id == claims.token_id, RefreshTokenRow.user_id == claims.user_id)
        .values(last_used_at=now)
        .returning(RefreshTokenRow.password_stamp)
    )
    user = await find_user(connection, claims.user_id)
    if stamp is None or user is None or not hmac.compare_digest(stamp, user.password_stamp):
        raise InvalidToken(TokenFault.EXPIRED)
    return user


async def log_in_holds(connection: AsyncConnection, claims: RefreshClaims) -> bool:
    """Return whether a log-in has not been ended and the password has not changed since it started."""
    stamp = await connection.scalar(
        select(RefreshTokenRow.password_stamp).where(
            RefreshTokenRow.id == claims.token_id, RefreshTokenRow.user_id == claims.user_id
        )
    )
    user = await find_user(connection, claims.user_id)
    return stamp is not None and user is not None and hmac.compare_digest(stamp, user.password_stamp)


async def user_of_session(
    connection: AsyncConnection, claims: RefreshClaims, now: datetime
) -> tuple[User, datetime] | None:
    """Return the user of a log-in to the pages, and when it was used last; None if it has ended."""
    row = (
        await connection.execute(
            select(RefreshTokenRow.password_stamp, RefreshTokenRow.last_used_at).where(
                RefreshTokenRow.id == claims.token_id,
                RefreshTokenRow.user_id == claims.user_id,
                RefreshTokenRow.place == Place.PAGES,
                RefreshTokenRow.expires_at > now,
            )
        )
    ).one_or_none()
    user = await find_user(connection, claims.user_id)
    if row is None or user is None or not hmac.compare_digest(row.password_stamp, user.password_stamp):
        return None
    return user, row.last_used_at


async def note_use(connection: AsyncConnection, claims: RefreshClaims, now: datetime) -> None:
    """Record that a log-in was used. The caller commits."""
    await connection.execute(
        update(RefreshTokenRow).where(RefreshTokenRow.id == claims.token_id).values(last_used_at=now)
    )


async def list_log_ins(connection: AsyncConnection, user_id: int, now: datetime) -> list[LogIn]:
    """Return the user's current log-ins, most recently used first; none that a new password has ended."""
    user = await find_user(connection, user_id)
    if user is None:
        return []
    rows = await connection.execute(
        select(
            RefreshTokenRow.id,
            RefreshTokenRow.place,
            RefreshTokenRow.created_at,
            RefreshTokenRow.last_used_at,
            RefreshTokenRow.expires_at,
        )
        .where(
            RefreshTokenRow.user_id == user_id,
            RefreshTokenRow.expires_at > now,
            RefreshTokenRow.password_stamp == user.password_stamp,
        )
        .order_by(RefreshTokenRow.last_used_at.desc(), RefreshTokenRow.id)
    )
    return [LogIn(**{**row, "place": Place(row["place"])}) for row in rows.mappings()]


async def end_log_in(connection: AsyncConnection, user_id: int, token_id: UUID) -> bool:
    """End a log-in of the user; return whether it existed. The caller commits."""
    ended = await connection.execute(
        delete(RefreshTokenRow).where(RefreshTokenRow.id == token_id, RefreshTokenRow.user_id == user_id)
    )
    if ended.rowcount > 0:
        await announce_user_access(connection, user_id)
    return ended.rowcount > 0


async def end_other_log_ins(connection: AsyncConnection, user_id: int, token_id: UUID) -> int:
    """End all log-ins of the user but this one; return how many. The caller commits."""
    ended = await connection.execute(
        delete(RefreshTokenRow).where(RefreshTokenRow.user_id == user_id, RefreshTokenRow.id != token_id)
    )
    if ended.rowcount > 0:
        await announce_user_access(connection, user_id)
    return ended.rowcount


async def end_all_log_ins(connection: AsyncConnection, user_id: int) -> None:
    """End all log-ins of the user. The caller commits."""
    await connection.execute(delete(RefreshTokenRow).where(RefreshTokenRow.user_id == user_id))
    await announce_user_access(connection, user_id)
