"""What is made of the texts that a kit sends with a medium: kept, cleaned, or not accepted. Pure.

Their lengths are bounded by the wire codec. A name or a type that is no good is put right, because the picture
itself may be; metadata that are no JSON have no right form, so the message is set aside.
"""

from __future__ import annotations

import re
import unicodedata
from mimetypes import guess_extension
from uuid import UUID

import orjson

ANY_TYPE = "application/octet-stream"
THUMBNAIL_TYPE = "image/webp"

LONGEST_TYPE = 127
"""Characters. RFC 6838 allows 127 on each side of the slash; the longest registered type has 84."""

# RFC 6838, section 4.2, and parameters as RFC 9110 writes them (section 5.6.6).
_TYPE = re.compile(
    r"""[a-z0-9][a-z0-9!\#$&^_.+-]*/[a-z0-9][a-z0-9!\#$&^_.+-]*
        (?:\s*;\s*[a-z0-9!\#$&^_.+-]+=(?:[a-z0-9!\#$&^_.+-]+|"[\x20\x21\x23-\x5b\x5d-\x7e]*"))*""",
    re.ASCII | re.IGNORECASE | re.VERBOSE,
)


class MetadataNotJson(Exception):
    """The metadata are not JSON, or nested too deeply."""


def clean_name(name: str, medium_id: UUID, media_type: str) -> str:
    """Return a file name without folders and without characters that are not to be seen.

    One that has nothing left becomes the id with the ending of its type.
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    # Control characters, line breaks, marks that turn the direction of text, halves of surrogate pairs.
    visible = "".join(each for each in last if unicodedata.category(each)[0] != "C")
    visible = re.sub(r"\s+", " ", visible).strip()
    if not visible.strip(". "):
        ending = guess_extension(media_type.partition(";")[0].strip()) or ""
        return f"{medium_id}{ending}"
    return visible


def clean_type(media_type: str) -> str:
    """Return the media type if it is one, else the type of bytes that nobody knows."""
    text = media_type.strip()
    if len(text) > LONGEST_TYPE or not _TYPE.fullmatch(text):
        return ANY_TYPE
    kind, semicolon, parameters = text.partition(";")
    return kind.strip().lower() + (f"; {parameters.strip()}" if semicolon else "")


def clean_metadata(text: str) -> str:
    """Return the metadata as JSON that every program here can read and write. Raises MetadataNotJson.

    An empty text stands for `null`: the field was not set.
    """
    try:
        return orjson.dumps(orjson.loads(text or "null")).decode()
    except (orjson.JSONDecodeError, orjson.JSONEncodeError) as error:
        raise MetadataNotJson(str(error)) from error
