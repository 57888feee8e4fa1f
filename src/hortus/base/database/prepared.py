"""Statements that nearly every request asks, without the price of a statement that may be any other.

SQLAlchemy takes 250 µs of processor time around a look-up for which the driver alone needs 30: that is most
of what a small request costs. Only single statements that read, on connections that commit by themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Select
from sqlalchemy.dialects.postgresql import asyncpg
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

Row = Mapping[str, Any] | RowMapping

_DIALECT = asyncpg.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy gives its dialects no types


class PreparedQuery:
    """A query compiled once. Its columns are of types that the driver gives as they are: no JSON."""

    def __init__(self, statement: Select[*tuple[Any, ...]]) -> None:
        self._statement = statement
        compiled = statement.compile(dialect=_DIALECT)
        self._sql = compiled.string
        self._names = tuple(compiled.positiontup or ())

    async def one_or_none(self, connection: AsyncConnection, parameters: Mapping[str, Any]) -> Row | None:
        """Return the row that is found, by the columns' names, or None.

        Within a transaction it is asked as any statement: the driver knows nothing of SQLAlchemy's.
        """
        driver = _driver_outside_transactions(connection)
        if driver is None:
            return (await connection.execute(self._statement, parameters)).mappings().one_or_none()
        try:
            row: Row | None = await driver.fetchrow(self._sql, *[parameters[name] for name in self._names])
        except BaseException:  # also when cancelled; raised again
            # Only SQLAlchemy knows, from its own statements, which connections are broken.
            await connection.invalidate()
            raise
        return row


def _driver_outside_transactions(connection: AsyncConnection) -> Any:
    """Return asyncpg's connection, or None while SQLAlchemy counts statements as one transaction."""
    adapted: Any = connection.sync_connection.connection.dbapi_connection  # type: ignore[union-attr]
    if adapted is None or adapted.isolation_level != "autocommit":
        return None
    return adapted.driver_connection
