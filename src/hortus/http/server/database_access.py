"""Database access for pages: one consistent snapshot, in bounded time, with one type of failure."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from hortus.base.database.damage import is_damage
from hortus.base.database.engine import CONNECTION_FAILURES
from hortus.base.database.sessions import ConnectionsShared, is_sign_of_sharing
from hortus.base.errors import OperationalError, describe_error
from hortus.base.language.translation import gettext_noop

log = logging.getLogger(__name__)

ANSWER_SECONDS = 5.0
"""A database that takes longer than this for a page counts as not answering.

Nobody waits for the database for more than 10 s before they are told: half for its first answer, half for a
change that waits for another one. Only changes of very many rows, such as the deletion of a kit with its
readings, take as long as they need, once it has answered.
"""

CHANGE_SECONDS = 5.0
"""How long a change may take once the database has answered."""

_UNREACHABLE = (*CONNECTION_FAILURES, PoolTimeoutError)

_DAMAGED = ("XX001", "XX002")  # data_corrupted, index_corrupted

# SQLSTATE classes caused by the environment: connection, authorization, missing database, resources, operator
# intervention (shutdown, startup). See PostgreSQL's manual, appendix A.
_CLASSES_OF_SURROUNDINGS = ("08", "28", "3D", "53", "57")


class DatabaseNotAnswering(OperationalError):
    """The database cannot be reached or does not answer in time."""

    def __init__(self, sentence: str = gettext_noop("The database does not answer at the moment.")) -> None:
        super().__init__(sentence)


class DatabaseDamaged(DatabaseNotAnswering):
    """A page of the database that a statement needs is damaged on disk."""

    def __init__(self, error: BaseException | None) -> None:
        super().__init__("Some of this cannot be read: a page of the database is damaged. The log says which.")
        log.error(
            "a request needs a damaged page of the database: %s",
            describe_error(error) if error else "no reason given",
        )


@contextmanager
def database_failures_translated() -> Iterator[None]:
    """Raise DatabaseNotAnswering for every way in which a database can be unreachable.

    Errors in the statement itself pass through unchanged: waiting would not fix them.
    """
    try:
        yield
    except DBAPIError as error:
        if is_sign_of_sharing(error):
            raise DatabaseNotAnswering(str(ConnectionsShared())) from error
        if _state(error.orig) in _DAMAGED:
            raise DatabaseDamaged(error.orig) from error
        if error.connection_invalidated or _blames_surroundings(error.orig):
            raise DatabaseNotAnswering from error
        raise
    except _UNREACHABLE as error:
        if is_damage(error):
            raise DatabaseDamaged(error) from error
        raise DatabaseNotAnswering from error


@asynccontextmanager
async def snapshot(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Yield a read-only connection whose statements all see the same committed state (P7).

    Without a shared snapshot, counts and reasons read one after the other would not add up while messages
    arrive. Raises DatabaseNotAnswering.
    """
    with database_failures_translated():
        async with asyncio.timeout(ANSWER_SECONDS), engine.connect() as connection:
            await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            yield connection


@asynccontextmanager
async def change(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Yield a connection in a short transaction that is committed at the end. Raises DatabaseNotAnswering."""
    with database_failures_translated():
        async with asyncio.timeout(ANSWER_SECONDS), engine.begin() as connection:
            yield connection


def _state(error: BaseException | None) -> str | None:
    state: str | None = getattr(error, "sqlstate", None)
    return state


def _blames_surroundings(error: BaseException | None) -> bool:
    state = _state(error)
    return state is None or state.startswith(_CLASSES_OF_SURROUNDINGS)
