"""Under which keys the content of media lies in the object store. Pure.

The layout is that of kit-mqtt 8: `{serial}/{id}`. Nothing in a key is what a kit wrote:
the serial is that of a registered kit, the id is 16 bytes written as a UUID.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

_THUMBNAIL = ".thumbnail"


@dataclass(frozen=True, slots=True)
class ObjectKey:
    """Which medium an object belongs to, and whether it is its thumbnail."""

    serial: str
    medium_id: UUID
    is_thumbnail: bool = False

    def __str__(self) -> str:
        return f"{self.serial}/{self.medium_id}{_THUMBNAIL if self.is_thumbnail else ''}"

    @property
    def thumbnail(self) -> ObjectKey:
        """The key of the thumbnail of this medium."""
        return ObjectKey(self.serial, self.medium_id, True)


def parse_key(path: str) -> ObjectKey | None:
    """Return what an object in the store is, or None if it is none of ours."""
    serial, slash, name = path.partition("/")
    identifier = name.removesuffix(_THUMBNAIL)
    try:
        key = ObjectKey(serial, UUID(identifier), name != identifier)
    except ValueError:
        return None
    # A UUID can be written in several ways, and only one of them is ours.
    return key if slash and serial and str(key) == path else None
