"""The network address of a client, as reported by trusted proxies."""

from __future__ import annotations

import ipaddress

from starlette.requests import HTTPConnection


def address_of(request: HTTPConnection) -> str:
    """Return the client's address, as reported by trusted proxies."""
    return request.client.host if request.client else ""


def network_of(request: HTTPConnection) -> str:
    """Return the network of one subscriber: the client's IPv4 address, or the first 64 bits of an IPv6 one.

    The address is the one reported by trusted proxies.
    """
    address = request.client.host if request.client else ""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, 64), strict=False))
