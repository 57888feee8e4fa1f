"""Whether each connection to the database is a session of its own.

Hortus prepares statements, listens to notifications and takes advisory locks, all of which belong to a session.
A pool such as PgBouncer that hands its connections out per transaction or statement mixes the sessions up:
readings would be stored, and now and then a statement would fail or a lock be held by someone else.
"""

from __future__ import annotations

import asyncio
import secrets

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from hortus.base.errors import OperationalError

_MOST_SECONDS = 10.0
# The pool prefers the connection that was returned last, but another client may take it in between.
_ROUNDS = 3

_MARK = "SELECT set_config('hortus.session', '{mark}', false)"
_REQUIRE = """
DO $$ BEGIN
    IF {wrong} THEN RAISE EXCEPTION 'sessions are shared' USING ERRCODE = 'HS001'; END IF;
END $$
"""
_HAS_MARK = "current_setting('hortus.session', true) = '{mark}'"

_SHARED = "HS001"
# Prepared statements that another session made, or took along.
_STATES = (_SHARED, "26000", "42P05")
_NO_TRANSACTIONS = "statement pooling mode"


class ConnectionsShared(OperationalError):
    """The database is reached through a pool that mixes sessions up."""

    def __init__(self) -> None:
        super().__init__(
            "The connections to the database are shared with other clients, by a pool that hands them out per "
            "transaction. Set `pool_mode = session` in PgBouncer, or connect to PostgreSQL directly."
        )


async def require_sessions(engine: AsyncEngine) -> None:
    """Raise ConnectionsShared unless each connection is a session of its own; and what the engine raises."""
    try:
        async with asyncio.timeout(_MOST_SECONDS), engine.connect() as one, engine.connect() as other:
            marked, watching = await _driver_connection(one), await _driver_connection(other)
            for _ in range(_ROUNDS):
                await _compare(marked, watching)
    except (DBAPIError, asyncpg.PostgresError) as error:
        if is_sign_of_sharing(error):
            raise ConnectionsShared from error
        raise


def is_sign_of_sharing(error: Exception) -> bool:
    """Return whether an error of SQLAlchemy or asyncpg comes from a pool that mixes sessions up."""
    state = getattr(getattr(error, "orig", error), "sqlstate", None)
    return state in _STATES or _NO_TRANSACTIONS in str(error)


async def _compare(marked: asyncpg.Connection, watching: asyncpg.Connection) -> None:
    """Mark one session; the mark must be there afterwards, and not in another session.

    A transaction meanwhile occupies the connection that the pool would otherwise give out again.
    """
    mark = secrets.token_hex(8)
    has_mark = _HAS_MARK.format(mark=mark)
    await marked.execute(_MARK.format(mark=mark))
    try:
        await watching.execute("BEGIN")
        await watching.execute(_REQUIRE.format(wrong=has_mark))
        await marked.execute(_REQUIRE.format(wrong=f"({has_mark}) IS NOT TRUE"))
    finally:
        await watching.execute("ROLLBACK")
        await marked.execute(_MARK.format(mark=""))


async def _driver_connection(connection: AsyncConnection) -> asyncpg.Connection:
    """Return asyncpg's connection, whose `execute` prepares no statement."""
    return (await connection.get_raw_connection()).driver_connection
