"""Removing deleted configurations for good, once it is too late to bring them back.

Rows are deleted in batches of bounded size, each in a transaction of its own, so that no lock is held for long.
If it is interrupted, the next run continues. Any number of processes may do this.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import BindParameter, DateTime, Integer, TextClause, Uuid, bindparam, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from hortus.base.errors import describe_error
from hortus.base.supervision import note_success

log = logging.getLogger(__name__)

ROWS_AT_ONCE = 10_000
MEDIA_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovedConfiguration:
    """A configuration that is gone for good."""

    id: int
    kit_id: int
    serial: str


class _LeftToOthers(Exception):
    """Another process is removing the configuration, or its kit was deleted."""


async def remove_due(engine: AsyncEngine) -> list[RemovedConfiguration]:
    """Remove the configurations that can no longer be brought back, with all that they sent.

    One that cannot be removed is logged and does not keep the others. Raises what SQLAlchemy raises if the
    connection is lost.
    """
    async with engine.connect() as connection:
        due = [RemovedConfiguration(**row) for row in (await connection.execute(_DUE)).mappings()]
    removed = []
    for each in due:
        try:
            await _remove(engine, each)
        except _LeftToOthers:
            continue
        except (DBAPIError, TimeoutError) as error:
            if isinstance(error, DBAPIError) and error.connection_invalidated:
                raise
            log.error(
                "cannot remove the deleted configuration %d of %s for good now: %s",
                *(each.id, each.serial, describe_error(error)),
            )
            continue
        log.info("removed the deleted configuration %d of %s for good", each.id, each.serial)
        removed.append(each)
    return removed


async def _remove(engine: AsyncEngine, configuration: RemovedConfiguration) -> None:
    key = {"id": configuration.id, "kit_id": configuration.kit_id}
    await _batch(engine, key, _MARK)
    for statements in (_RAW, _AGGREGATES):
        after: _Position | None = _BEFORE_ALL
        while after is not None:
            after = await _delete_stretch(engine, key, after, statements)
    for statement in (_DELETE_MEDIA, *_DELETE_ROLLUPS):
        while await _batch(engine, key | {"rows": ROWS_AT_ONCE, "media": MEDIA_AT_ONCE}, statement):
            pass
    await _batch(engine, key, _LOCK_PERIPHERALS, _DELETE)


async def _batch(engine: AsyncEngine, key: dict[str, int], *statements: TextClause) -> int:
    """Run statements in a transaction that holds the configuration; return how many rows the last one found."""
    rows = 0
    async with engine.begin() as connection:
        await _hold(connection, key)
        for statement in statements:
            rows = (await connection.execute(statement, key)).rowcount
    note_success()
    return rows


async def _delete_stretch(
    engine: AsyncEngine, key: dict[str, int], after: _Position, statements: _Stretch
) -> _Position | None:
    """Delete the configuration's rows in the kit's next stretch of rows; return its end, None for the last.

    There is no index by configuration, so the kit's rows are walked along the primary key.
    """
    start = {"after_at": after.at, "after_id": after.id}
    async with engine.begin() as connection:
        await _hold(connection, key)
        row = (
            await connection.execute(statements.find_end, key | start | {"rows": ROWS_AT_ONCE})
        ).one_or_none()
        end = _AFTER_ALL if row is None else _Position(row.at, row.id)
        await connection.execute(statements.delete, key | start | {"end_at": end.at, "end_id": end.id})
    note_success()
    return None if row is None else end


async def _hold(connection: AsyncConnection, key: dict[str, int]) -> None:
    if await connection.scalar(_HOLD, key) is None:
        raise _LeftToOthers


@dataclass(frozen=True, slots=True)
class _Position:
    """A row's position in the kit's primary key."""

    at: datetime
    id: UUID


def _types_of(position: str) -> tuple[BindParameter[datetime], BindParameter[UUID]]:
    return bindparam(f"{position}_at", type_=DateTime(timezone=True)), bindparam(f"{position}_id", type_=Uuid())


@dataclass(frozen=True, slots=True)
class _Stretch:
    """The statements for a table: find the last row of a stretch, and delete within it."""

    find_end: TextClause
    delete: TextClause

    @classmethod
    def of(cls, table: str, time: str) -> _Stretch:
        after = f"{time} >= :after_at AND ({time}, id) > (:after_at, :after_id)"
        up_to = f"{time} <= :end_at AND ({time}, id) <= (:end_at, :end_id)"
        find_end = text(
            f"SELECT {time} AS at, id FROM {table} WHERE kit_id = :kit_id AND {after} "  # noqa: S608
            f"ORDER BY {time}, id OFFSET :rows - 1 LIMIT 1"
        ).bindparams(*_types_of("after"), bindparam("rows", type_=Integer()))
        delete = text(
            f"DELETE FROM {table} WHERE kit_id = :kit_id AND {after} AND {up_to} "  # noqa: S608
            "AND kit_configuration_id = :id"
        ).bindparams(*_types_of("after"), *_types_of("end"))
        return cls(find_end, delete)


_BEFORE_ALL = _Position(datetime(1, 1, 2, tzinfo=UTC), UUID(int=0))
_AFTER_ALL = _Position(datetime(9999, 12, 30, tzinfo=UTC), UUID(int=2**128 - 1))
_RAW = _Stretch.of("raw_measurements", "datetime")
_AGGREGATES = _Stretch.of("aggregate_measurements", "datetime_start")

_DUE = text(
    """
    SELECT c.id, c.kit_id, k.serial FROM kit_configurations c JOIN kits k ON k.id = c.kit_id
    WHERE c.deleted_at IS NOT NULL AND c.restorable_until <= now() ORDER BY c.id
    """
)
_HOLD = text(
    """
    SELECT id FROM kit_configurations
    WHERE id = :id AND kit_id = :kit_id AND deleted_at IS NOT NULL AND restorable_until <= clock_timestamp()
    FOR UPDATE SKIP LOCKED
    """
)
# Were the clock set back after a part was removed, it could still not be brought back.
_MARK = text("UPDATE kit_configurations SET restorable_until = deleted_at WHERE id = :id AND kit_id = :kit_id")
_LOCK_PERIPHERALS = text(
    "SELECT id FROM peripherals WHERE kit_configuration_id = :id AND kit_id = :kit_id ORDER BY id FOR UPDATE"
)
_DELETE = text("DELETE FROM kit_configurations WHERE id = :id AND kit_id = :kit_id")
_DELETE_MEDIA = text(
    """
    WITH gone AS (
        DELETE FROM media WHERE id IN (
            SELECT id FROM media WHERE kit_configuration_id = :id AND kit_id = :kit_id LIMIT :media)
        RETURNING id, kit_id, datetime, size
    ), queued AS (
        INSERT INTO queue_media_pending_deletion (media_id, kit_serial, media_datetime, media_size)
        SELECT g.id, k.serial, g.datetime, g.size FROM gone g JOIN kits k ON k.id = g.kit_id
        ON CONFLICT DO NOTHING
    )
    SELECT id FROM gone
    """
).bindparams(bindparam("media", type_=Integer()))
_DELETE_ROLLUPS = tuple(
    text(
        f"""
        DELETE FROM {table} WHERE ctid = ANY (ARRAY(
            SELECT r.ctid FROM {table} r JOIN peripherals p ON p.id = r.peripheral_id
            WHERE p.kit_configuration_id = :id AND p.kit_id = :kit_id LIMIT :rows))
        """  # noqa: S608  (constants)
    ).bindparams(bindparam("rows", type_=Integer()))
    for table in ("series_hours", "series_days")
)
