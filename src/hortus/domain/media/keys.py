"""The keys of media in the object store. Pure.

The layout is that of kit-mqtt 8: `{serial}/{id}`. No part of a key is text from a kit: the serial is that of a
registered kit, the id is 16 bytes written as a UUID.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class ObjectKind(StrEnum):
    """What an object is of its medium; the value is the end of its key."""

    CONTENT = ""
    THUMBNAIL = ".thumbnail"
    PREVIEW = ".preview"


@dataclass(frozen=True, slots=True)
class ObjectKey:
    """The key of a medium's content, or of a smaller picture that was made of it."""

    serial: str
    medium_id: UUID
    kind: ObjectKind = ObjectKind.CONTENT

    def __str__(self) -> str:
        return f"{self.serial}/{self.medium_id}{self.kind}"

    @property
    def thumbnail(self) -> ObjectKey:
        """The key of the thumbnail of this medium."""
        return ObjectKey(self.serial, self.medium_id, ObjectKind.THUMBNAIL)

    @property
    def preview(self) -> ObjectKey:
        """The key of the preview of this medium."""
        return ObjectKey(self.serial, self.medium_id, ObjectKind.PREVIEW)


def parse_key(path: str) -> ObjectKey | None:
    """Parse an object's path in the store; None if it is not one of our keys."""
    serial, slash, name = path.partition("/")
    identifier, dot, kind = name.partition(".")
    try:
        key = ObjectKey(serial, UUID(identifier), ObjectKind(dot + kind))
    except ValueError:
        return None
    # A UUID can be written in several ways, of which we use only one.
    return key if slash and serial and str(key) == path else None
