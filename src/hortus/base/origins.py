"""Origins of web pages, as browsers send them in the header `Origin` (RFC 6454). Pure."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

import idna

_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*", re.ASCII)
_LOOKS_LIKE = (
    "An origin is a scheme, a host and, if it is not the usual one, a port: https://plants.example.org"
)


def parse_origins(text: str) -> frozenset[str]:
    """Return the origins in a list separated by commas. Raises ValueError that says what is right."""
    origins = [part.strip() for part in text.split(",") if part.strip()]
    for origin in origins:
        _require_origin(origin)
    return frozenset(origins)


def _require_origin(text: str) -> None:
    if text in {"*", "null"}:
        raise ValueError(f"{text} would let any page use people's cookies; name each origin. {_LOOKS_LIKE}")
    right = _origin_in(text)
    if right is None:
        raise ValueError(f"{text!r} is not an origin. {_LOOKS_LIKE}")
    if right != text:
        raise ValueError(f"{text!r} is not an origin as browsers send it; write {right}")


def _origin_in(text: str) -> str | None:
    """Return the origin of an address, or None if it has none."""
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        host, port = _host(parts.hostname or ""), parts.port
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or host is None:
        return None
    shown_port = "" if port in {None, _DEFAULT_PORTS[parts.scheme]} else f":{port}"
    return f"{parts.scheme}://{host}{shown_port}"


def _host(name: str) -> str | None:
    if ":" in name:
        return f"[{ipaddress.IPv6Address(name)}]"
    ascii_name = name if name.isascii() else idna.encode(name, uts46=True).decode("ascii")
    return ascii_name if _HOST.fullmatch(ascii_name) else None
