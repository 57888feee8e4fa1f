"""Precompiled queries for look-ups that nearly every request makes, without SQLAlchemy's overhead.

SQLAlchemy takes 250 µs of processor time around a look-up for which the driver alone needs 30: that is most of
the cost of a small request. Only for single read statements on connections in autocommit mode.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Select
from sqlalchemy.dialects.postgresql import asyncpg
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

Row = Mapping[str, Any] | RowMapping

_DIALECT = asyncpg.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's dialects are untyped


class PreparedQuery:
    """A query compiled once. Its columns have types that the driver returns unconverted: no JSON."""

    def __init__(self, statement: Select[*tuple[Any, ...]]) -> None:
        self._statement = statement
        compiled = statement.compile(dialect=_DIALECT)
        self._sql = compiled.string
        self._names = tuple(compiled.positiontup or ())

    async def one_or_none(self, connection: AsyncConnection, parameters: Mapping[str, Any]) -> Row | None:
        """Return the matching row, keyed by column name, or None.

        Inside a transaction it is executed through SQLAlchemy like any other statement, because the driver does
        not know about SQLAlchemy's transactions.
        """
        driver = _driver_outside_transactions(connection)
        if driver is None:
            return (await connection.execute(self._statement, parameters)).mappings().one_or_none()
        try:
            row: Row | None = await driver.fetchrow(self._sql, *[parameters[name] for name in self._names])
        except BaseException:  # also when cancelled; raised again
            # SQLAlchemy detects broken connections only through its own statements.
            await connection.invalidate()
            raise
        return row


def _driver_outside_transactions(connection: AsyncConnection) -> Any:
    """Return asyncpg's connection, or None if SQLAlchemy runs its statements in a transaction."""
    adapted: Any = connection.sync_connection.connection.dbapi_connection  # type: ignore[union-attr]
    if adapted is None or adapted.isolation_level != "autocommit":
        return None
    return adapted.driver_connection
