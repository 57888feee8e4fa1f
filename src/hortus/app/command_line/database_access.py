"""Database access of commands, and their error messages when it fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.app.command_line.terminal import messages
from hortus.base.database.engine import open_engine
from hortus.base.database.sessions import ConnectionsShared, is_sign_of_sharing
from hortus.base.database.url import DatabaseUrl
from hortus.base.errors import OperationalError, describe_error
from hortus.base.installation.access import open_database
from hortus.base.settings import Settings, read_settings
from hortus.flow.migrations.revision import require_current


@asynccontextmanager
async def open_url(data_dir: Path | None, settings: Settings | None = None) -> AsyncIterator[DatabaseUrl]:
    """Yield the database URL that a command uses: --data-dir, else DATABASE_URL, else ./hortus-data."""
    settings = settings or read_settings()
    url = settings.database_url.get_secret_value() if settings.database_url else None
    if data_dir is not None:
        url = None
    async with open_database(
        data_dir or settings.data_dir, url, report=lambda sentence: messages.print(sentence, style="dim")
    ) as database_url:
        yield database_url


def named_data_dir(data_dir: Path | None, settings: Settings) -> Path | None:
    """Return the data directory named by --data-dir, or by HORTUS_DATA_DIR without DATABASE_URL, if any.

    For processes that do not make do with ./hortus-data, where an installation would be created by mistake.
    """
    if data_dir is not None or settings.database_url is not None:
        return data_dir
    return settings.data_dir if "data_dir" in settings.model_fields_set else None


@asynccontextmanager
async def open_ready_engine(
    data_dir: Path | None, settings: Settings | None = None
) -> AsyncIterator[AsyncEngine]:
    """Yield an engine on a database that has this version's schema. Raises OperationalError otherwise."""
    async with open_url(data_dir, settings) as url, open_engine(url) as engine:
        with database_errors_in_words(url):
            await require_current(engine)
            yield engine


class database_errors_in_words:  # noqa: N801  (used like a function)
    """Converts the drivers' errors for an unreachable database into an OperationalError with one sentence."""

    def __init__(self, url: DatabaseUrl) -> None:
        self._url = url

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Convert a known error."""
        if isinstance(error, OSError | TimeoutError | asyncio.TimeoutError):
            raise OperationalError(
                f"The database at {self._url.redacted()} cannot be reached: {describe_error(error)}. "
                "Is it running, and is DATABASE_URL right?"
            ) from error
        if isinstance(error, DBAPIError) and is_sign_of_sharing(error):
            raise ConnectionsShared from error
        if isinstance(error, DBAPIError):
            raise OperationalError(
                f"The database at {self._url.redacted()} cannot be used: {error.orig}."
            ) from error
