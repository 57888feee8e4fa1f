"""Thumbnails of pictures, made in the background and stored as objects beside them.

Any number of processes share the work: each medium is processed under an advisory lock, which is released if
its holder dies. The row is not locked, so that the medium can be deleted in the meantime.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from uuid import UUID

import asyncpg

from hortus.base.errors import describe_error
from hortus.base.supervision import note_success
from hortus.domain.media.keys import ObjectKey
from hortus.domain.media.objects import MediaObjects, ObjectStoreNotAnswering
from hortus.domain.media.retries import fault_of, note_of, pause_after
from hortus.domain.media.rules import THUMBNAIL_TYPE
from hortus.domain.media.smaller_pictures import NoSmallerPicture, Size, smaller_picture

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
_CANDIDATES = 20
_LOCK_SPACE = 0x4D54  # "MT": keeps these advisory locks apart from all others

# Media that the store refused come after those never tried, so that they do not block others.
_WAITING = """
SELECT m.id, m.type, k.serial FROM (
    (SELECT id, type, kit_id FROM media
     WHERE thumbnail IS NULL AND thumbnail_retry_at IS NULL ORDER BY received_at DESC LIMIT $1)
    UNION ALL
    (SELECT id, type, kit_id FROM media
     WHERE thumbnail IS NULL AND thumbnail_retry_at <= now() ORDER BY thumbnail_retry_at LIMIT $1)
) AS m JOIN kits k ON k.id = m.kit_id
"""
_LOCK = "SELECT pg_try_advisory_lock($1, hashtext($2::text))"
_UNLOCK = "SELECT pg_advisory_unlock($1, hashtext($2::text))"
_STILL_WAITING = """
SELECT thumbnail_attempts FROM media
WHERE id = $1 AND thumbnail IS NULL AND (thumbnail_retry_at IS NULL OR thumbnail_retry_at <= now())
"""
_FINISH = """
UPDATE media SET thumbnail = $2, thumbnail_note = $3, thumbnail_retry_at = NULL WHERE id = $1 RETURNING true
"""
_REFUSED = """
UPDATE media SET thumbnail_attempts = $2, thumbnail_note = $3, thumbnail_retry_at = now() + $4 WHERE id = $1
"""


async def make_thumbnails(connect: Callable[[], Awaitable[asyncpg.Connection]], objects: MediaObjects) -> None:
    """Make missing thumbnails until cancelled, newest pictures first.

    Raises what asyncpg raises, and ObjectStoreNotAnswering if the store as a whole fails.
    """
    connection = await connect()
    try:
        while True:
            made = await make_some_thumbnails(connection, objects)
            note_success()
            if not made:
                await asyncio.sleep(LOOK_SECONDS)
    finally:
        connection.terminate()


async def make_some_thumbnails(connection: asyncpg.Connection, objects: MediaObjects) -> int:
    """Make the next thumbnails that no other process is making; return how many media were processed.

    A picture that the store refuses is retried later. Raises ObjectStoreNotAnswering if the store as a whole
    fails.
    """
    decided = 0
    for row in await connection.fetch(_WAITING, _CANDIDATES):
        if not await connection.fetchval(_LOCK, _LOCK_SPACE, str(row["id"])):
            continue
        try:
            attempts = await connection.fetchval(_STILL_WAITING, row["id"])
            if attempts is not None:
                await _try(connection, objects, ObjectKey(row["serial"], row["id"]), row["type"], attempts)
                decided += 1
        finally:
            with contextlib.suppress(asyncpg.InterfaceError, asyncpg.PostgresError, OSError):
                await connection.fetchval(_UNLOCK, _LOCK_SPACE, str(row["id"]))
    return decided


async def _try(
    connection: asyncpg.Connection, objects: MediaObjects, key: ObjectKey, media_type: str, attempts: int
) -> None:
    try:
        await _decide(connection, objects, key, media_type)
    except ObjectStoreNotAnswering as error:
        fault = await fault_of(objects)
        counted = attempts + int(fault is None)
        pause = pause_after(counted if fault is None else 0)
        await connection.execute(_REFUSED, key.medium_id, counted, note_of(error), pause)
        if fault is not None:
            raise fault from error
        if counted == 1:
            log.warning("cannot make a thumbnail of %s now (%s); will retry later", key, describe_error(error))


async def _decide(
    connection: asyncpg.Connection, objects: MediaObjects, key: ObjectKey, media_type: str
) -> None:
    try:
        thumbnail = await smaller_picture(objects, key, media_type, Size.THUMBNAIL)
    except NoSmallerPicture as error:
        await _finish(connection, key.medium_id, "unsuitable", str(error))
        return
    await objects.put(key.thumbnail, (thumbnail,), THUMBNAIL_TYPE, size=len(thumbnail))
    if not await _finish(connection, key.medium_id, "made", None):
        await objects.delete(key.thumbnail)  # the medium was deleted in the meantime


async def _finish(connection: asyncpg.Connection, medium_id: UUID, thumbnail: str, note: str | None) -> bool:
    return bool(await connection.fetchval(_FINISH, medium_id, thumbnail, note and note_of(note)))
