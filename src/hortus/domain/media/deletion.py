"""Deleting the objects of media whose rows were deleted, also with their peripheral, configuration or kit."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from hortus.base.supervision import note_success
from hortus.domain.media.keys import ObjectKey
from hortus.domain.media.objects import MediaObjects, ObjectStoreNotAnswering
from hortus.domain.media.retries import fault_of, note_of, pause_after

log = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
_AT_ONCE = 50
_LONGEST_SECONDS = 30.0
"""Queue rows stay locked for this long at most; the rest is left for the next run."""

# Several processes drain one queue: each takes rows that no other has locked.
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

# After this long, no kit redelivers a medium that was deleted in the meantime.
_FORGET = text("DELETE FROM queue_media_pending_deletion WHERE object_deleted_at < now() - interval '30 days'")


async def delete_queued_objects(engine: AsyncEngine, objects: MediaObjects) -> None:
    """Delete queued objects until cancelled. Raises ObjectStoreNotAnswering, which loses nothing."""
    while True:
        while await delete_some_objects(engine, objects):
            note_success()
        async with engine.begin() as connection:
            await connection.execute(_FORGET)
        note_success()
        await asyncio.sleep(LOOK_SECONDS)


async def delete_some_objects(engine: AsyncEngine, objects: MediaObjects) -> int:
    """Try to delete the objects that are due; return how many were tried.

    An object that the store refuses to delete is retried later and does not block others. Raises
    ObjectStoreNotAnswering if the store as a whole fails; deletions up to then are recorded. If the process is
    killed in between, the next run deletes the objects again, which has no effect.
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
            "cannot delete the object %s (%s) and %d others now; will retry later",
            *(ObjectKey(line.kit_serial, line.media_id), error, len(others)),
        )
    return len(outcome.done) + len(outcome.refused)


@dataclass(slots=True)
class _Outcome:
    """Rows whose objects were deleted, rows that the store refused, and a fault of the store as a whole."""

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
            await objects.delete(key.preview)
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
