"""Hortus's own role and database in the embedded PostgreSQL.

Hortus works as an ordinary role that owns one database: neither a bug in a query nor an attacker who gains the
connection can reach the server's files or settings.
"""

from __future__ import annotations

import asyncpg

from hortus.base.database.url import DatabaseUrl
from hortus.base.embedded_postgres.account import CannotRunPostgres
from hortus.base.errors import describe_error

OWNER = "hortus"
DATABASE = "hortus"

_CONNECT_TIMEOUT_SECONDS = 30


async def provision(owner: DatabaseUrl, superuser: DatabaseUrl) -> None:
    """Ensure that the owner can log in to the database.

    Creates the role and the database or sets the password, if needed. A start that was killed half way is
    completed by the next one. Raises CannotRunPostgres if the superuser's password is not the one that the
    server knows.
    """
    try:
        await (await _connect(owner)).close()
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError):
        await _create(superuser, owner.password or "")
    except (OSError, TimeoutError) as error:
        raise CannotRunPostgres(
            f"The embedded PostgreSQL does not answer at {owner}: {describe_error(error)}."
        ) from error


async def _create(superuser: DatabaseUrl, owner_password: str) -> None:
    try:
        connection = await _connect(superuser, {"log_min_error_statement": "panic"})
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        raise CannotRunPostgres(
            "The passwords in secrets/ are not those of this database. "
            "Restore the directory secrets/ from the backup that the data is from."
        ) from error
    try:
        known = await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", OWNER)
        verb = "ALTER" if known else "CREATE"
        # A role statement takes no parameters, so the server quotes the password for it.
        quoted = await connection.fetchval("SELECT quote_literal($1::text)", owner_password)
        await connection.execute(
            f"{verb} ROLE {OWNER} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD {quoted}"
        )
        if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", DATABASE):
            await connection.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")
        # By default every role may connect to every database.
        await connection.execute(f"REVOKE ALL ON DATABASE {DATABASE}, postgres, template1 FROM PUBLIC")
    finally:
        await connection.close()


async def _connect(url: DatabaseUrl, settings: dict[str, str] | None = None) -> asyncpg.Connection:
    arguments = {"timeout": _CONNECT_TIMEOUT_SECONDS, **url.asyncpg_arguments()}
    return await asyncpg.connect(**arguments, server_settings=settings)
