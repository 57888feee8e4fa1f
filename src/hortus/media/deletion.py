"""Deleting the objects of media whose rows are gone: of deleted media, peripherals, configurations and kits."""

from __future__ import annotations

import asyncio

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.media.keys import ObjectKey
from hortus.media.objects import MediaObjects

_LOOK_SECONDS = 5.0
_AT_ONCE = 50

# Several processes drain one queue: each takes lines that no other holds.
_NEXT = text(
    """
    SELECT id, media_id, kit_serial FROM queue_media_pending_deletion
    WHERE object_deleted_at IS NULL ORDER BY id LIMIT :most FOR UPDATE SKIP LOCKED
    """
)
_DONE = text("UPDATE queue_media_pending_deletion SET object_deleted_at = now() WHERE id = ANY(:ids)")

# By then no kit sends a medium again that it sent before it was deleted.
_FORGET = text("DELETE FROM queue_media_pending_deletion WHERE object_deleted_at < now() - interval '30 days'")


async def delete_queued_objects(engine: AsyncEngine, objects: MediaObjects) -> None:
    """Delete what is queued, until cancelled. Raises ObjectStoreNotAnswering; nothing is lost by that."""
    while True:
        while await delete_some_objects(engine, objects):
            pass
        async with engine.begin() as connection:
            await connection.execute(_FORGET)
        await asyncio.sleep(_LOOK_SECONDS)


async def delete_some_objects(engine: AsyncEngine, objects: MediaObjects) -> int:
    """Delete the objects of the oldest lines of the queue; return of how many.

    Killed in between, the next one deletes them again, which has no effect.
    """
    async with engine.begin() as connection:
        lines = (await connection.execute(_NEXT, {"most": _AT_ONCE})).all()
        for _, medium_id, serial in lines:
            key = ObjectKey(serial, medium_id)
            await objects.delete(key)
            await objects.delete(key.thumbnail)
        if lines:
            await connection.execute(_DONE, {"ids": [line.id for line in lines]})
    return len(lines)
