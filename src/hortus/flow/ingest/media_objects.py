"""Stores the objects of media before their rows, both for arriving and for replayed messages."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from hortus.domain.media.keys import ObjectKey
from hortus.domain.media.objects import MediaObjects
from hortus.flow.ingest.batch import MediumToStore
from hortus.flow.ingest.messages import QuarantineVerdict
from hortus.flow.ingest.store import KnownMedium
from hortus.protocol.reasons import Reason


def verdict_on(to_store: MediumToStore, known: Mapping[UUID, KnownMedium]) -> QuarantineVerdict | None:
    """Return why a medium cannot be stored although its message is valid, or None."""
    medium = known.get(to_store.medium.id)
    if medium is None or medium.kit_id in {None, to_store.kit_id}:
        return None
    return QuarantineVerdict(
        Reason.MEDIA_ID_TAKEN, f"The id {to_store.medium.id} is that of a medium of another kit."
    )


async def put_object(objects: MediaObjects, to_store: MediumToStore, known: Mapping[UUID, KnownMedium]) -> None:
    """Store the content durably unless it is already stored or was deleted. Raises ObjectStoreNotAnswering.

    A redelivery restores an object that was lost, and never replaces one with different content.
    """
    medium, key = to_store.medium, ObjectKey(to_store.serial, to_store.medium.id)
    before = known.get(medium.id)
    if before is not None:
        is_the_same = before.kit_id == to_store.kit_id and before.sha256 == medium.sha256
        if not is_the_same or await objects.size_of(key) == medium.size:
            return
    await objects.put(key, medium.content, medium.type, size=medium.size)
