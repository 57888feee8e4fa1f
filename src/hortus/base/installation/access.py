"""How a command connects to the database: the operator's own PostgreSQL, or the one in a data directory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from hortus.base.database.url import DatabaseUrl
from hortus.base.embedded_postgres.postgres import EmbeddedPostgres, say_nothing
from hortus.base.errors import UsageError
from hortus.base.installation.data_directory import (
    DataDirectory,
    DirectoryInUse,
    running_installation,
)
from hortus.base.installation.run_info import RunInfo
from hortus.base.installation.secret_store import Secrets

OWNER_SECRET = "postgres-owner"  # noqa: S105 (the name of a secret)
SUPERUSER_SECRET = "postgres-superuser"  # noqa: S105

_START_PATIENCE_SECONDS = 30.0
_POLL_SECONDS = 0.1


def embedded_postgres(directory: DataDirectory) -> EmbeddedPostgres:
    """Return the installation's PostgreSQL, not started, with its passwords (created on the first call)."""
    return EmbeddedPostgres(
        directory.postgres,
        owner_password=directory.secrets.get_or_create(OWNER_SECRET),
        superuser_password=directory.secrets.get_or_create(SUPERUSER_SECRET),
        log_path=directory.logs / "postgres.log",
    )


@asynccontextmanager
async def open_database(
    data_directory: Path | None,
    database_url: str | None,
    *,
    report: Callable[[str], None] = say_nothing,
) -> AsyncIterator[DatabaseUrl]:
    """Yield the URL of the database that a command should work on, usable until the context ends.

    `database_url` takes precedence. Otherwise the database in the data directory is used: of the running
    installation if there is one, else PostgreSQL is started for as long as the context lasts.

    Raises UsageError if neither is given, and what DataDirectory and EmbeddedPostgres raise.
    """
    if database_url:
        yield DatabaseUrl.parse(database_url)
    elif data_directory is None:
        raise UsageError("Say which database is meant: give --data-dir DIR, or set DATABASE_URL.")
    else:
        held = await _running_or_held(data_directory)
        if isinstance(held, RunInfo):
            yield _url_of(data_directory, held)
            return
        with held:
            server = embedded_postgres(held)
            try:
                yield await server.start(report)
            finally:
                await server.stop()


async def _running_or_held(path: Path) -> RunInfo | DataDirectory:
    """Return the running installation or else the opened directory, waiting while one starts or stops."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + _START_PATIENCE_SECONDS
    while True:
        running = running_installation(path)
        if running is not None:
            return running
        try:
            return DataDirectory.open(path, create=False)
        except DirectoryInUse:
            # An installation is starting or stopping, or another command holds the lock briefly.
            if clock() > deadline:
                raise
        await asyncio.sleep(_POLL_SECONDS)


def _url_of(path: Path, running: RunInfo) -> DatabaseUrl:
    url = DatabaseUrl.parse(running.database_url)
    password = Secrets(path.expanduser().absolute() / "secrets").get(OWNER_SECRET)
    return replace(url, password=url.password or password)
