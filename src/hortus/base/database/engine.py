"""Connections to the database: SQLAlchemy's engine for most work, bare asyncpg where readings are written."""

from __future__ import annotations

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
    # What asyncpg raises when a session was ended and the end of its connection has not arrived yet.
    asyncpg.InternalClientError,
)
"""What a bare connection raises when the database, or the way to it, fails."""

_CONNECT_SECONDS = 5.0
_ENGINE_CONNECTIONS = 5
# A writer whose network fails in a transaction holds up all others for so long: they wait for its locks on the
# ledger. Between two statements of a batch lie milliseconds.
_LONGEST_IDLE_TRANSACTION_MS = "5000"


@asynccontextmanager
async def open_engine(url: DatabaseUrl) -> AsyncIterator[AsyncEngine]:
    """Yield an engine of a few connections, and close them at the end."""
    arguments = url.asyncpg_arguments()
    arguments.pop("dsn")  # the engine has the URL itself
    engine = create_async_engine(
        url.sqlalchemy(),
        connect_args={"timeout": _CONNECT_SECONDS, **arguments},
        pool_size=_ENGINE_CONNECTIONS,
        max_overflow=_ENGINE_CONNECTIONS,
        pool_pre_ping=True,
    )
    try:
        yield engine
    finally:
        await engine.dispose()


def connector(url: DatabaseUrl, application_name: str) -> Callable[[], Awaitable[asyncpg.Connection]]:
    """Return a function that makes bare connections for writing readings.

    The server itself ends a transaction whose client hangs, so that its locks do not hold up others.
    """
    arguments = url.asyncpg_arguments()
    settings = {
        "application_name": application_name,
        "idle_in_transaction_session_timeout": _LONGEST_IDLE_TRANSACTION_MS,
        **arguments.pop("server_settings", {}),
    }

    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(**{"timeout": _CONNECT_SECONDS, **arguments}, server_settings=settings)

    return connect
