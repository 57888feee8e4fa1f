"""Cleaning or rejecting the texts that a kit sends with a medium. Pure.

Their lengths are bounded by the wire codec. An invalid name or type is corrected, because the picture itself
may be fine; metadata that is not JSON cannot be corrected, so the message is quarantined.
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
    """The metadata is not JSON, or nested too deeply."""


def clean_name(name: str, medium_id: UUID, media_type: str) -> str:
    """Return a file name without folders and without invisible characters.

    If nothing is left, returns the id with the extension of the type.
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    # Category C: control characters, line breaks, marks that change the text direction, lone surrogates.
    visible = "".join(each for each in last if unicodedata.category(each)[0] != "C")
    visible = re.sub(r"\s+", " ", visible).strip()
    if not visible.strip(". "):
        ending = guess_extension(media_type.partition(";")[0].strip()) or ""
        return f"{medium_id}{ending}"
    return visible


def clean_type(media_type: str) -> str:
    """Return the media type in normal form, or ANY_TYPE if it is invalid."""
    text = media_type.strip()
    if len(text) > LONGEST_TYPE or not _TYPE.fullmatch(text):
        return ANY_TYPE
    kind, semicolon, parameters = text.partition(";")
    return kind.strip().lower() + (f"; {parameters.strip()}" if semicolon else "")


def clean_metadata(text: str) -> str:
    """Return the metadata as JSON that all parts of Hortus can read and write. Raises MetadataNotJson.

    An empty text becomes `null`: the field was not set.
    """
    try:
        return orjson.dumps(orjson.loads(text or "null")).decode()
    except (orjson.JSONDecodeError, orjson.JSONEncodeError) as error:
        raise MetadataNotJson(str(error)) from error
