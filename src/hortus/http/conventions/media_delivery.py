"""Serving content from the object store: ranges, bounded chunks, and protection against scripts.

A kit may send an HTML page or a drawing that contains a script. It must not run in our origin: browsers are
told to download it and not to sniff its type, and if one displays it anyway, it does so in a sandbox.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from hortus.domain.media.keys import ObjectKey
from hortus.domain.media.objects import (
    MediaObjects,
    ObjectMissing,
    ObjectStoreNotAnswering,
    ObjectStream,
)
from hortus.domain.media.rules import THUMBNAIL_TYPE
from hortus.http.conventions.ranges import RangeNotSatisfiable, Version, is_known, wanted_range

_HARMLESS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}
# Access may be revoked: only the client itself may cache a copy, and must revalidate it before use.
_CACHING = {"Cache-Control": "private, no-cache"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """The content to send. `name` is the file name of a download; None displays it inline."""

    key: ObjectKey
    version: Version
    media_type: str
    name: str | None


async def deliver(request: Request, objects: MediaObjects, delivery: Download, *, head: bool) -> Response:
    """Return the response to a request for this object: 200, 206, 304 or 416.

    The content is streamed in bounded chunks. Raises ObjectMissing or ObjectStoreNotAnswering before it starts.
    """
    version = delivery.version
    headers = {
        **_HARMLESS,
        **_CACHING,
        "ETag": version.etag,
        "Last-Modified": version.last_modified,
        "Accept-Ranges": "bytes",
    }
    if is_known(request.headers, version):
        return Response(status_code=304, headers=headers)
    try:
        wanted = wanted_range(request.headers, version)
    except RangeNotSatisfiable:
        return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{version.size}"})
    start, end = wanted or (0, version.size)
    headers["Content-Length"] = str(end - start)
    headers["Content-Type"] = delivery.media_type
    if delivery.name is not None:
        headers["Content-Disposition"] = disposition(delivery.name)
    if wanted is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{version.size}"
    pieces = await _pieces(objects, delivery, start, end, head=head)
    return StreamingResponse(pieces, status_code=200 if wanted is None else 206, headers=headers)


def version_of(medium_id: UUID, size: int, sha256: bytes | None, modified_at: datetime) -> Version:
    """Return the version of a medium's content, which never changes: without a digest, its id is enough."""
    mark = sha256.hex()[:32] if sha256 is not None else medium_id.hex
    return Version(size=size, etag=f'"{mark}"', modified_at=modified_at)


async def thumbnail_of(objects: MediaObjects, key: ObjectKey, modified_at: datetime) -> Download:
    """Return the delivery of a medium's thumbnail, displayed inline: we made it.

    Raises ObjectMissing or ObjectStoreNotAnswering.
    """
    size = await objects.size_of(key.thumbnail)
    if size is None:
        raise ObjectMissing(key.thumbnail)
    return smaller_picture_of(key.thumbnail, size, modified_at)


def smaller_picture_of(key: ObjectKey, size: int, modified_at: datetime) -> Download:
    """Return the delivery of a thumbnail or preview of this size in bytes, displayed inline: we made it."""
    version = Version(size=size, etag=f'"{key.medium_id.hex}{key.kind}-{size}"', modified_at=modified_at)
    return Download(key=key, version=version, media_type=THUMBNAIL_TYPE, name=None)


def disposition(name: str) -> str:
    """Return the header for a download with this name, whatever it contains (RFC 6266, RFC 8187)."""
    plain = "".join(each if " " <= each <= "~" and each not in '"\\%' else "_" for each in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='', errors='replace')}"


async def _pieces(
    objects: MediaObjects, delivery: Download, start: int, end: int, *, head: bool
) -> AsyncIterator[bytes]:
    """Open the object, so that errors are known before the response starts."""
    size = delivery.version.size
    if head or start == end:
        found = await objects.size_of(delivery.key)
        stream: ObjectStream | None = None
    else:
        stream = await objects.get(delivery.key, start, end)
        found = stream.size
    if found is None:
        raise ObjectMissing(delivery.key)
    if found != size:
        raise ObjectStoreNotAnswering(f"The object {delivery.key} has {found} bytes instead of {size}.")
    return _all_of(stream)


async def _all_of(stream: ObjectStream | None) -> AsyncIterator[bytes]:
    if stream is not None:
        async for piece in stream:
            yield piece
