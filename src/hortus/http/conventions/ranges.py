"""Which part of a content a request asks for, and whether the asker has it (RFC 9110, 13 and 14). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime, parsedate_to_datetime

_ONE_RANGE = re.compile(r"bytes=\s*(?:(\d{1,18})-(\d{1,18})?|-(\d{1,18}))", re.ASCII | re.IGNORECASE)


class RangeNotSatisfiable(Exception):
    """The range begins behind the end of the content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """Which version of a content this is. `etag` is strong and quoted."""

    size: int
    etag: str
    modified_at: datetime

    @property
    def last_modified(self) -> str:
        """The moment as HTTP writes it."""
        return format_datetime(self.modified_at.replace(microsecond=0), usegmt=True)


def is_known(headers: Mapping[str, str], version: Version) -> bool:
    """Tell whether the asker has this version (RFC 9110, 13.2.2: an ETag counts before a date)."""
    tags = headers.get("if-none-match")
    if tags is not None:
        return tags.strip() == "*" or version.etag in _tags(tags)
    since = _moment(headers.get("if-modified-since"))
    return since is not None and version.modified_at.replace(microsecond=0) <= since


def wanted_range(headers: Mapping[str, str], version: Version) -> tuple[int, int] | None:
    """Return the first byte and the one after the last, or None for everything.

    Several ranges at once, other units and what cannot be understood mean everything, as the RFC allows. Raises
    RangeNotSatisfiable.
    """
    text = headers.get("range")
    if text is None or not _may_continue(headers.get("if-range"), version):
        return None
    match = _ONE_RANGE.fullmatch(text.strip())
    if match is None:
        return None
    first, last, suffix = match.groups()
    if suffix is not None:
        if int(suffix) == 0 or version.size == 0:
            raise RangeNotSatisfiable
        return max(0, version.size - int(suffix)), version.size
    start = int(first)
    if last is not None and int(last) < start:
        return None  # not a range at all
    if start >= version.size:
        raise RangeNotSatisfiable
    return start, version.size if last is None else min(int(last) + 1, version.size)


def _may_continue(condition: str | None, version: Version) -> bool:
    """Tell whether what the asker has is of this version, so that a part of it fits on (RFC 9110, 13.1.5)."""
    return condition is None or condition.strip() in {version.etag, version.last_modified}


def _tags(text: str) -> set[str]:
    return {tag.strip().removeprefix("W/") for tag in text.split(",")}


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else None
