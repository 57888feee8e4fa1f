"""A medium on its way: what a kit sent, with its texts put right. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from uuid import UUID

from hortus.measurements.reasons import Reason
from hortus.media.rules import MetadataNotJson, clean_metadata, clean_name, clean_type
from hortus.wire.codec import decode_media
from hortus.wire.errors import WireError


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivedMedium:
    """A picture or file as it is going to be stored. `metadata` is JSON text; times in ms since the epoch."""

    id: UUID
    datetime_ms: int
    peripheral: int
    name: str
    type: str
    metadata: str
    content: bytes
    sha256: bytes

    @property
    def size(self) -> int:
        """How many bytes the content has."""
        return len(self.content)


def read_medium(payload: bytes) -> ArrivedMedium:
    """Return the medium in a message. Raises WireError. A large one takes too long for the event loop."""
    media = decode_media(payload)
    medium_id = UUID(bytes=media.id)
    media_type = clean_type(media.type)
    try:
        metadata = clean_metadata(media.metadata)
    except MetadataNotJson as error:
        raise WireError(Reason.METADATA_NOT_JSON, f"The metadata are not JSON: {error}.") from error
    return ArrivedMedium(
        id=medium_id,
        datetime_ms=media.datetime_ms,
        peripheral=media.peripheral,
        name=clean_name(media.name, medium_id, media_type),
        type=media_type,
        metadata=metadata,
        content=media.data,
        sha256=hashlib.sha256(media.data).digest(),
    )
