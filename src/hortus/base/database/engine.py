"""Connections to the database: SQLAlchemy's engine for most work, plain asyncpg where readings are written."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from hortus.base.database.url import DatabaseUrl

CONNECTION_FAILURES = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    # asyncpg raises this when the server ended the session but the connection's close has not arrived yet.
    asyncpg.InternalClientError,
)
"""What a plain asyncpg connection raises when the database or the network fails."""

TASK_STATEMENT_SECONDS = 60.0
"""The longest that a statement of a long-running task may take. One that takes longer will not end: its
connection was lost silently, and the task must begin again on another one."""

_CONNECT_SECONDS = 5.0
_CLOSE_SECONDS = 1.0
_ENGINE_CONNECTIONS = 5
# No error where the setting does not exist.
_END_IF_SILENT = "SELECT set_config(name, $1, false) FROM pg_settings WHERE name = 'idle_session_timeout'"
# A writer whose network fails inside a transaction blocks all others for this long: they wait for its locks on
# the ledger. The statements of a batch are milliseconds apart.
_LONGEST_IDLE_TRANSACTION_MS = 5000
_SILENCE_IN_TRANSACTION = "idle_in_transaction_session_timeout"


@asynccontextmanager
async def open_engine(
    url: DatabaseUrl, *, statement_seconds: float | None = None
) -> AsyncIterator[AsyncEngine]:
    """Yield an engine with a small connection pool; dispose of it at the end.

    A statement that takes longer than `statement_seconds` raises TimeoutError; None is for work that may take
    as long as it needs, such as deleting the readings of a kit.
    """
    arguments = url.asyncpg_arguments()
    arguments.pop("dsn")  # the engine already has the URL
    engine = create_async_engine(
        url.sqlalchemy(),
        connect_args={"timeout": _CONNECT_SECONDS, "command_timeout": statement_seconds, **arguments},
        pool_size=_ENGINE_CONNECTIONS,
        max_overflow=_ENGINE_CONNECTIONS,
        pool_pre_ping=True,
    )
    try:
        yield engine
    finally:
        await engine.dispose()


async def close_soon(connection: asyncpg.Connection) -> None:
    """Close a connection of which nothing is needed any more; it may be half closed already, or hang."""
    with contextlib.suppress(Exception):  # whatever state it is in, nothing is lost with it
        await connection.close(timeout=_CLOSE_SECONDS)


async def end_if_silent(connection: asyncpg.Connection, seconds: float) -> None:
    """Let the server end this session when nothing arrives on it for so long; from PostgreSQL 14 on.

    For sessions that hold a lock: when their network fails silently, the server would keep the session,
    and with it the lock, for hours. The holder must send something more often than that.
    """
    await connection.execute(_END_IF_SILENT, str(round(seconds * 1000)), timeout=_CONNECT_SECONDS)


def connector(
    url: DatabaseUrl, application_name: str, *, statement_seconds: float | None = None
) -> Callable[[], Awaitable[asyncpg.Connection]]:
    """Return a function that opens plain asyncpg connections, such as for writing readings.

    The server ends a transaction whose client hangs, so that its locks do not block other writers. For
    `statement_seconds` see `open_engine`; a statement may have a limit of its own.
    """
    arguments = url.asyncpg_arguments()
    settings = {"application_name": application_name, **arguments.pop("server_settings", {})}
    limits_silence = _SILENCE_IN_TRANSACTION not in settings.get("options", "")

    async def connect() -> asyncpg.Connection:
        limits = {"timeout": _CONNECT_SECONDS, "command_timeout": statement_seconds}
        connection = await asyncpg.connect(**{**limits, **arguments}, server_settings=settings)
        if limits_silence:
            # Not among the settings above, with which PgBouncer refuses a connection.
            try:
                statement = f"SET {_SILENCE_IN_TRANSACTION} = {_LONGEST_IDLE_TRANSACTION_MS}"
                await connection.execute(statement, timeout=_CONNECT_SECONDS)
            except BaseException:  # also when cancelled: the connection must not leak; raised again
                connection.terminate()
                raise
        return connection

    return connect
