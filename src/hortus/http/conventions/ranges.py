"""Range and conditional requests: what to send, or whether the client has it (RFC 9110, 13, 14). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime, parsedate_to_datetime

_ONE_RANGE = re.compile(r"bytes=\s*(?:(\d{1,18})-(\d{1,18})?|-(\d{1,18}))", re.ASCII | re.IGNORECASE)


class RangeNotSatisfiable(Exception):
    """The range starts beyond the end of the content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version of a content. `etag` is strong and quoted."""

    size: int
    etag: str
    modified_at: datetime

    @property
    def last_modified(self) -> str:
        """The modification time as an HTTP date."""
        return format_datetime(self.modified_at.replace(microsecond=0), usegmt=True)


def is_known(headers: Mapping[str, str], version: Version) -> bool:
    """Return whether the client has this version (RFC 9110, 13.2.2: an ETag takes precedence over a date)."""
    tags = headers.get("if-none-match")
    if tags is not None:
        return tags.strip() == "*" or version.etag in _tags(tags)
    since = _moment(headers.get("if-modified-since"))
    return since is not None and version.modified_at.replace(microsecond=0) <= since


def wanted_range(headers: Mapping[str, str], version: Version) -> tuple[int, int] | None:
    """Return the first byte and the one after the last, or None for everything.

    Multiple ranges, other units and unparsable headers mean everything, as the RFC allows. Raises
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
    """Return whether the client's part is of this version, so that it can be continued (RFC 9110, 13.1.5)."""
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
