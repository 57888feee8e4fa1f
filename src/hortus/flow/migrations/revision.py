"""The schema revision that this version needs, and the check for it. Cheap: every command runs it."""

from __future__ import annotations

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.base.errors import OperationalError

HEAD = "20261130_public_links"
"""The newest migration; a test keeps it in sync with the migrations folder."""


class DatabaseIsNewer(OperationalError):
    """The database was upgraded by a later version of Hortus."""

    def __init__(self, revision: str) -> None:
        super().__init__(
            f"This database was upgraded by a newer version of Hortus (revision {revision}). "
            "Install that version or a later one; going back needs a backup from before the upgrade."
        )


class DatabaseNotReady(OperationalError):
    """The database lacks migrations of this version."""

    def __init__(self, revision: str | None) -> None:
        super().__init__(
            f"The database is at {revision or 'no revision at all'}, this version needs {HEAD}. "
            "Run `hortus db upgrade` first."
        )


async def require_current(engine: AsyncEngine) -> None:
    """Raise DatabaseNotReady or DatabaseIsNewer unless the database has this version's schema."""
    async with engine.connect() as connection:
        revision = await connection.run_sync(_revision_of)
    if revision == HEAD:
        return
    # Loading the migrations is deferred to here, where they distinguish an older revision from an unknown one.
    from hortus.flow.migrations.scripts import known_revisions

    if revision is not None and revision not in known_revisions():
        raise DatabaseIsNewer(revision)
    raise DatabaseNotReady(revision)


def _revision_of(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision
