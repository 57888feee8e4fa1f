"""Deleting the objects of media whose rows are gone: of deleted media, peripherals, configurations and kits."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from hortus.domain.media.keys import ObjectKey
from hortus.domain.media.objects import MediaObjects, ObjectStoreNotAnswering
from hortus.domain.media.retries import fault_of, note_of, pause_after

log = logging.getLogger(__name__)

_LOOK_SECONDS = 5.0
_AT_ONCE = 50
_LONGEST_SECONDS = 30.0
"""Lines are held meanwhile; what is not done by then is for the next."""

# Several processes drain one queue: each takes lines that no other holds.
_NEXT = text(
    """
    SELECT id, media_id, kit_serial, attempts FROM queue_media_pending_deletion
    WHERE object_deleted_at IS NULL AND next_attempt_at <= now()
    ORDER BY next_attempt_at, id LIMIT :most FOR UPDATE SKIP LOCKED
    """
)
_DONE = text(
    "UPDATE queue_media_pending_deletion SET object_deleted_at = now(), failure = NULL WHERE id = ANY(:ids)"
)
_REFUSED = text(
    """
    UPDATE queue_media_pending_deletion
    SET attempts = :attempts, failure = :failure, next_attempt_at = now() + :pause
    WHERE id = :id
    """
)

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
    """Try to delete the objects of the lines that are due; return how many were tried.

    One that the store refuses is tried again later and holds up no others. Raises ObjectStoreNotAnswering if
    the store as a whole is out of order; what was done until then is noted. Killed in between, the next one
    deletes them again, which has no effect.
    """
    async with engine.begin() as connection:
        lines = (await connection.execute(_NEXT, {"most": _AT_ONCE})).all()
        outcome = await _delete(objects, lines)
        if outcome.done:
            await connection.execute(_DONE, {"ids": [line.id for line in outcome.done]})
        for line, error in outcome.refused:
            await _note(connection, line, error, counts=outcome.fault is None)
    if outcome.fault is not None:
        raise outcome.fault
    if outcome.refused:
        (line, error), *others = outcome.refused
        log.warning(
            "the object %s cannot be deleted now (%s), nor can %d others; they are tried again later",
            *(ObjectKey(line.kit_serial, line.media_id), error, len(others)),
        )
    return len(outcome.done) + len(outcome.refused)


@dataclass(slots=True)
class _Outcome:
    """Lines whose objects are gone now, those that the store refused, and what is wrong with it as a whole."""

    done: list[Any] = field(default_factory=list)
    refused: list[tuple[Any, ObjectStoreNotAnswering]] = field(default_factory=list)
    fault: ObjectStoreNotAnswering | None = None


async def _delete(objects: MediaObjects, lines: Sequence[Any]) -> _Outcome:
    outcome = _Outcome()
    deadline = time.monotonic() + _LONGEST_SECONDS
    for line in lines:
        key = ObjectKey(line.kit_serial, line.media_id)
        try:
            await objects.delete(key)
            await objects.delete(key.thumbnail)
        except ObjectStoreNotAnswering as error:
            if not outcome.refused:
                outcome.fault = await fault_of(objects)
            outcome.refused.append((line, error))
        else:
            outcome.done.append(line)
        if outcome.fault is not None or time.monotonic() > deadline:
            break
    return outcome


async def _note(
    connection: AsyncConnection, line: Any, error: ObjectStoreNotAnswering, *, counts: bool
) -> None:
    attempts = line.attempts + int(counts)
    pause = pause_after(attempts if counts else 0)
    await connection.execute(
        _REFUSED, {"id": line.id, "attempts": attempts, "failure": note_of(error), "pause": pause}
    )
