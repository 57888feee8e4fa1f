"""Comparing objects and rows: objects without a row are deleted, rows without an object are reported.

A process that is killed between storing an object and its row leaves the object behind. Until the sender
redelivers the medium, the object looks like an orphan, so only old objects count as orphans: an object is
written seconds before its row.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from hortus.base.supervision import note_success
from hortus.domain.media.keys import ObjectKey
from hortus.domain.media.objects import MediaObjects, ObjectStoreNotAnswering, StoredObject
from hortus.domain.media.retries import fault_of

Result = TypeVar("Result")

log = logging.getLogger(__name__)

SAFE_AGE = timedelta(hours=24)
"""Younger objects are left alone: their rows may not be written yet. Also allows for clock differences."""

EVERY_SECONDS = 6 * 3600.0
_FIRST_SECONDS = 600.0
_PAGE = 500
_REMEMBERED = 1000

_ROWS_OF_OBJECTS = text(
    """
    SELECT k.serial, m.id, m.thumbnail = 'made' AS has_thumbnail
    FROM media m JOIN kits k ON k.id = m.kit_id WHERE m.id = ANY(:ids)
    """
)
_NEXT_ROWS = text(
    """
    SELECT m.id, k.serial, m.size FROM media m JOIN kits k ON k.id = m.kit_id
    WHERE m.id > :after ORDER BY m.id LIMIT :most
    """
)


@dataclass(slots=True)
class Sweep:
    """The result of a sweep. Each list holds at most the first thousand; the numbers count all.

    `refused` counts objects that the store refused to look up or delete: nothing is known about them.
    """

    objects: int = 0
    rows: int = 0
    without_row: int = 0
    without_object: int = 0
    half_written: int = 0
    unknown: int = 0
    refused: int = 0
    orphans: list[str] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether every medium has its object."""
        return self.without_object == 0


async def sweep_regularly(engine: AsyncEngine, objects: MediaObjects) -> None:
    """Remove orphans every few hours until cancelled. Several processes may do so at once."""
    await asyncio.sleep(_FIRST_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311  (spread, not a secret)
    while True:
        found = await sweep_objects(engine, objects, safe_age=SAFE_AGE, repair=True)
        if found.without_row or found.half_written:
            log.warning(
                "removed %d objects without a row and %d half-written files",
                found.without_row,
                found.half_written,
            )
        if found.refused:
            log.warning("the store refused to delete %d objects without a row", found.refused)
        found = await check_rows(engine, objects)
        if found.refused:
            log.error("the store refused to look up %d objects; check their permissions", found.refused)
        if not found.is_clean:
            log.error(
                "%d media have lost their content, such as %s; see `hortus media check`",
                found.without_object,
                found.incomplete[0],
            )
        note_success()
        await asyncio.sleep(EVERY_SECONDS * random.uniform(0.9, 1.1))  # noqa: S311  (spread)


async def sweep_objects(
    engine: AsyncEngine, objects: MediaObjects, *, safe_age: timedelta, repair: bool
) -> Sweep:
    """Find objects older than `safe_age` without a row; with `repair`, delete them.

    Objects whose paths are not our keys are counted and left alone: the bucket may have other users.
    """
    found = Sweep()
    page: list[StoredObject] = []
    async for each in objects.list():
        page.append(each)
        if len(page) == _PAGE:
            await _sweep_page(engine, objects, page, found, safe_age, repair=repair)
            page = []
    await _sweep_page(engine, objects, page, found, safe_age, repair=repair)
    if repair:
        found.half_written = await objects.remove_half_written(safe_age.total_seconds())
    return found


async def check_rows(engine: AsyncEngine, objects: MediaObjects) -> Sweep:
    """Find rows whose object is missing or has another size. An object is always written before its row."""
    found = Sweep()
    after = UUID(int=0)
    while True:
        async with engine.connect() as connection:
            rows = (await connection.execute(_NEXT_ROWS, {"after": after, "most": _PAGE})).all()
        if not rows:
            return found
        after = rows[-1].id
        found.rows += len(rows)
        for row in rows:
            key = ObjectKey(row.serial, row.id)
            # The row is checked again: row and object may have been deleted since the page was read.
            with _refusals_counted(found):
                size = await _unless_refused(objects, objects.size_of(key))
                if size != row.size and await _is_still_there(engine, row.id):
                    found.without_object += 1
                    _remember(found.incomplete, str(key))


async def _sweep_page(
    engine: AsyncEngine,
    objects: MediaObjects,
    page: Sequence[StoredObject],
    found: Sweep,
    safe_age: timedelta,
    *,
    repair: bool,
) -> None:
    found.objects += len(page)
    found.unknown += sum(each.key is None for each in page)
    old = datetime.now(UTC) - safe_age
    suspects = [each.key for each in page if each.key is not None and each.changed_at <= old]
    if not suspects:
        return
    async with engine.connect() as connection:
        told_of = await _told_of(connection, suspects)
    for key in suspects:
        if key in told_of:
            continue
        found.without_row += 1
        _remember(found.orphans, str(key))
        if repair:
            with _refusals_counted(found):
                await _unless_refused(objects, objects.delete(key))


class _Refused(Exception):
    """The store refuses this object, but may serve others."""


async def _unless_refused(objects: MediaObjects, asking: Awaitable[Result]) -> Result:
    """Return the store's answer. Raises _Refused, or ObjectStoreNotAnswering if the store as a whole fails."""
    try:
        return await asking
    except ObjectStoreNotAnswering as error:
        fault = await fault_of(objects)
        if fault is not None:
            raise fault from error
        raise _Refused from error


@contextmanager
def _refusals_counted(found: Sweep) -> Iterator[None]:
    try:
        yield
    except _Refused:
        found.refused += 1


async def _told_of(connection: AsyncConnection, keys: Iterable[ObjectKey]) -> set[ObjectKey]:
    """Return the keys of the objects that the rows of these media account for."""
    rows = await connection.execute(_ROWS_OF_OBJECTS, {"ids": [key.medium_id for key in keys]})
    told_of = set()
    for row in rows:
        key = ObjectKey(row.serial, row.id)
        told_of |= {key, key.preview}
        if row.has_thumbnail:
            told_of.add(key.thumbnail)
    return told_of


async def _is_still_there(engine: AsyncEngine, medium_id: UUID) -> bool:
    async with engine.connect() as connection:
        found = await connection.scalar(text("SELECT true FROM media WHERE id = :id"), {"id": medium_id})
    return bool(found)


def _remember(paths: list[str], path: str) -> None:
    if len(paths) < _REMEMBERED:
        paths.append(path)
