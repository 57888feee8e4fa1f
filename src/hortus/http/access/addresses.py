"""Where a request comes from, as the trusted proxies in front of us report it."""

from __future__ import annotations

import ipaddress

from starlette.requests import HTTPConnection


def address_of(request: HTTPConnection) -> str:
    """Return the address of the client, as the trusted proxies in front of us tell it."""
    return request.client.host if request.client else ""


def network_of(request: HTTPConnection) -> str:
    """Return what one subscriber has: the client's IPv4 address, or the first 64 bits of its IPv6 address.

    The address is the one that trusted proxies in front of us tell.
    """
    address = request.client.host if request.client else ""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, 64), strict=False))
