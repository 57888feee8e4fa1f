"""The address at which people reach the pages. It may have a path: `https://example.org/hortus`. Pure."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

# Characters that no proxy and no browser writes in two ways, so that paths can be compared as text.
_PATH = re.compile(r"(/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]{1,100}){0,5}")


def checked_public_url(text: str) -> str:
    """Return the address without a trailing slash. Raises ValueError, saying what to write instead."""
    try:
        url = urlsplit(text)
        is_address = url.scheme in {"http", "https"} and bool(url.hostname) and (url.port or 1) > 0
    except ValueError:
        is_address = False
    if not is_address or re.search(r"[\s@\\]", text):
        raise ValueError("give an address such as `https://hortus.example.org`")
    if "?" in text or "#" in text:
        raise ValueError("the address must end with its path, without `?` and `#`")
    if not _PATH.fullmatch(url.path.removesuffix("/")):
        raise ValueError(
            "the path may have letters, digits and `-._~` only, such as `https://example.org/hortus`"
        )
    return text.removesuffix("/")


def path_of(public_url: str | None) -> str:
    """Return the path of the address, without a trailing slash: `/hortus`, or nothing."""
    return urlsplit(public_url).path.rstrip("/") if public_url else ""
