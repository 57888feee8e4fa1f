"""Migrates a database to the schema of this version, and compares the two."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.flow.migrations.revision import DatabaseIsNewer
from hortus.flow.migrations.schema import metadata
from hortus.flow.migrations.scripts import alembic_configuration, known_revisions, newest_revision

_PARTITION_NAME = re.compile(r"(raw|aggregate)_measurements_y\d{4}m\d{2}(_|$)")
_UPGRADE_LOCK = "SELECT pg_advisory_lock(hashtext('hortus migrations'))"
_UPGRADE_UNLOCK = "SELECT pg_advisory_unlock(hashtext('hortus migrations'))"


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaState:
    """The schema revision of a database. `current` is None for a database without Hortus tables."""

    current: str | None
    head: str
    differences: tuple[str, ...]

    @property
    def is_current(self) -> bool:
        """Whether the database is exactly what this version expects."""
        return self.current == self.head and not self.differences


async def upgrade(engine: AsyncEngine) -> None:
    """Apply all pending migrations. Several processes may call this at once.

    Raises DatabaseIsNewer if the database has a migration that this version does not know.
    """
    async with engine.connect() as connection:
        await connection.execute(text(_UPGRADE_LOCK))
        await connection.commit()
        try:
            await connection.run_sync(_upgrade)
            await connection.commit()
        finally:
            await connection.rollback()
            await connection.execute(text(_UPGRADE_UNLOCK))
            await connection.commit()


async def schema_state(engine: AsyncEngine) -> SchemaState:
    """Return the database's revision, the required one, and any other differences from the models."""
    async with engine.connect() as connection:
        return await connection.run_sync(_state)


def is_part_of_models(
    _object: object, name: str | None, kind: str, _reflected: bool, _compare_to: object
) -> bool:
    """Alembic's filter: exclude partitions, which are created and dropped along with the data."""
    return not (kind in {"table", "index"} and name and _PARTITION_NAME.match(name))


def _revisions(connection: Connection) -> tuple[str | None, str]:
    """Return the database's revision and the newest one. Raises if this version does not know the former."""
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current not in known_revisions():
        raise DatabaseIsNewer(current)
    return current, newest_revision()


def _upgrade(connection: Connection) -> None:
    _revisions(connection)
    command.upgrade(alembic_configuration(connection), "head")


def _state(connection: Connection) -> SchemaState:
    current, head = _revisions(connection)
    differences: list[Any] = []
    if current is not None:
        options = {
            "include_object": is_part_of_models,
            "compare_type": True,
            "compare_server_default": True,
        }
        context = MigrationContext.configure(connection, opts=options)
        differences = compare_metadata(context, metadata)
    return SchemaState(
        current=current, head=head, differences=tuple(str(difference) for difference in differences)
    )
