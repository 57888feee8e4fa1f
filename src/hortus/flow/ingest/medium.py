"""Decodes a medium message and normalises its texts. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from threading import Lock
from uuid import UUID

from hortus.domain.media.rules import MetadataNotJson, clean_metadata, clean_name, clean_type
from hortus.protocol.reasons import Reason
from hortus.protocol.wire.codec import decode_media
from hortus.protocol.wire.errors import WireError
from hortus.protocol.wire.media_layout import open_large_media
from hortus.protocol.wire.messages import Media

_LARGE_BYTES = 256 * 1024

# Decoding holds several copies of a large message in memory, so one at a time.
_library = Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivedMedium:
    """A picture or file in the form to be stored. `metadata` is JSON text; times are ms since the epoch.

    `content` may be iterated any number of times; its pieces total `size` bytes.
    """

    id: UUID
    datetime_ms: int
    peripheral: int
    name: str
    type: str
    metadata: str
    content: Iterable[bytes]
    size: int
    sha256: bytes


def read_medium(payload: bytes) -> ArrivedMedium:
    """Decode a medium. Raises WireError. Decoding a large one blocks too long for the event loop."""
    media, content, size = _decode(payload)
    medium_id = UUID(bytes=media.id)
    media_type = clean_type(media.type)
    try:
        metadata = clean_metadata(media.metadata)
    except MetadataNotJson as error:
        raise WireError(Reason.METADATA_NOT_JSON, f"The metadata are not JSON: {error}.") from error
    digest = hashlib.sha256()
    for piece in content:
        digest.update(piece)
    return ArrivedMedium(
        id=medium_id,
        datetime_ms=media.datetime_ms,
        peripheral=media.peripheral,
        name=clean_name(media.name, medium_id, media_type),
        type=media_type,
        metadata=metadata,
        content=content,
        size=size,
        sha256=digest.digest(),
    )


def _decode(payload: bytes) -> tuple[Media, Iterable[bytes], int]:
    if len(payload) > _LARGE_BYTES:
        opened = open_large_media(payload)
        if opened is not None:
            media, content = opened
            return media, content, content.size
        with _library:
            media = decode_media(payload)
    else:
        media = decode_media(payload)
    return media, (media.data,), len(media.data)
