"""Where kits and boards connect, as far as this process knows: what a person has to enter on them."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """An address to connect to. `host` may be one that other machines cannot use; see `reach`."""

    host: str
    port: int
    tls: bool = False

    @property
    def is_of_this_machine(self) -> bool:
        """Whether nothing but this machine can connect here."""
        return _is_loopback(self.host)


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """`kits` is None where it is unknown, and `boards` where this process has no gateway.

    `is_built_in`: kits connect to this process, so it sees their log-ins and can run virtual ones.
    """

    kits: Door | None = None
    boards: Door | None = None
    is_built_in: bool = False


def reach(door: Door, page_host: str | None) -> str:
    """Return the host to enter on a device: `page_host`, at which the page was found, if it is this machine."""
    return page_host if page_host and (_is_any(door.host) or _is_loopback(door.host)) else door.host


def _is_any(host: str) -> bool:
    return host in {"", "0.0.0.0", "::"}  # noqa: S104  (compared, not bound)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
