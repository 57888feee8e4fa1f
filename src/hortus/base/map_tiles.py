"""Where the map gets its tiles, checked so that pages may load pictures from exactly that origin. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

_LOOKS_LIKE = "It looks like https://tiles.example.org/{z}/{x}/{y}.png"
_NETWORK_LOCATION = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[0-9]{1,5})?")
# What a content security policy would read as something else than a part of an address.
_FORBIDDEN = re.compile(r"[\s;,'\"<>\\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class MapTiles:
    """A server of tiles, and whom the map credits for them."""

    url: str
    attribution: str

    @property
    def origin(self) -> str:
        """The origin of the server: scheme, host and port."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"


def checked_tiles_url(text: str) -> str:
    """Return the address of tiles if it is one. Raises ValueError that says what is right."""
    missing = [name for name in ("{z}", "{x}", "{y}") if name not in text]
    if missing:
        raise ValueError(f"The address of map tiles lacks {' and '.join(missing)}. {_LOOKS_LIKE}")
    if _FORBIDDEN.search(text) or not text.isascii() or len(text) > 500:
        raise ValueError(f"The address of map tiles has characters that no address has. {_LOOKS_LIKE}")
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"}:
        raise ValueError(f"The address of map tiles begins with https:// or http://. {_LOOKS_LIKE}")
    if not _NETWORK_LOCATION.fullmatch(parts.netloc):
        raise ValueError(f"The address of map tiles names one host, without {{s}} and passwords. {_LOOKS_LIKE}")
    return text
