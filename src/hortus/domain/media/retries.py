"""Retrying operations that the object store refused."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.media.objects import MediaObjects, ObjectStoreNotAnswering
from hortus.domain.media.tables import MOST_NOTE_CHARACTERS

_FIRST_SECONDS = 10.0
_LONGEST_SECONDS = 3600.0


def pause_after(attempts: int) -> timedelta:
    """Return the backoff after so many failed attempts: 10 s, doubled each time, up to 1 h.

    For 0 attempts it is 10 s, too: then the store as a whole failed, which does not count against an object.
    """
    attempts = max(1, attempts)
    return timedelta(seconds=min(_LONGEST_SECONDS, _FIRST_SECONDS * 2.0 ** min(attempts - 1, 20)))


def note_of(reason: object) -> str:
    """Return the reason in the form that is stored: shortened, and without NUL, which PostgreSQL rejects."""
    return str(reason).replace("\0", "")[:MOST_NOTE_CHARACTERS]


_REFUSED = text(
    """
    (SELECT 'delete' AS wanted, kit_serial AS serial, media_id AS id, attempts, failure, next_attempt_at
     FROM queue_media_pending_deletion
     WHERE object_deleted_at IS NULL AND failure IS NOT NULL ORDER BY next_attempt_at LIMIT :most)
    UNION ALL
    (SELECT 'thumbnail', k.serial, m.id, m.thumbnail_attempts, m.thumbnail_note, m.thumbnail_retry_at
     FROM media m JOIN kits k ON k.id = m.kit_id
     WHERE m.thumbnail IS NULL AND m.thumbnail_retry_at IS NOT NULL ORDER BY m.thumbnail_retry_at LIMIT :most)
    """
)


async def refused_objects(connection: AsyncConnection, most: int) -> Sequence[RowMapping]:
    """Return operations that the store refused and that will be retried, at most `most` of each kind."""
    return (await connection.execute(_REFUSED, {"most": most})).mappings().all()


async def fault_of(objects: MediaObjects) -> ObjectStoreNotAnswering | None:
    """Return the fault of the store as a whole, or None if it only refuses some objects."""
    try:
        await objects.require_place()
    except ObjectStoreNotAnswering as fault:
        return fault
    return None
