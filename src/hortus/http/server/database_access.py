"""Reading from the database for a page: one consistent view, in bounded time, with one kind of failure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from hortus.base.database.engine import CONNECTION_FAILURES
from hortus.base.errors import OperationalError

ANSWER_SECONDS = 5.0
"""A database that needs longer for a page counts as not answering."""

_UNREACHABLE = (*CONNECTION_FAILURES, PoolTimeoutError)

# Classes of SQLSTATE that blame the surroundings: connection, authorization, database missing, resources,
# operator intervention (shutting down, starting up). See PostgreSQL's manual, appendix A.
_CLASSES_OF_SURROUNDINGS = ("08", "28", "3D", "53", "57")


class DatabaseNotAnswering(OperationalError):
    """The database cannot be reached or does not answer in time."""

    def __init__(self) -> None:
        super().__init__("The database does not answer at the moment.")


@contextmanager
def database_failures_translated() -> Iterator[None]:
    """Raise DatabaseNotAnswering for every way in which a database can be out of reach.

    A statement that is itself wrong passes as it is: waiting would mend nothing.
    """
    try:
        yield
    except DBAPIError as error:
        if error.connection_invalidated or _blames_surroundings(error.orig):
            raise DatabaseNotAnswering from error
        raise
    except _UNREACHABLE as error:
        raise DatabaseNotAnswering from error


@asynccontextmanager
async def snapshot(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Yield a connection whose statements all see the same committed state (P7), and change nothing.

    Without one state for all, counts and their reasons, read one after the other, would not add up while
    messages flow. Raises DatabaseNotAnswering.
    """
    with database_failures_translated():
        async with asyncio.timeout(ANSWER_SECONDS), engine.connect() as connection:
            await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            yield connection


def _blames_surroundings(error: BaseException | None) -> bool:
    state = getattr(error, "sqlstate", None)
    return state is None or state.startswith(_CLASSES_OF_SURROUNDINGS)
