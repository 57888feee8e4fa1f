"""The gateway's limits on senders, rates and sizes, and its timeouts (plantkeeper 2.3 and 3.4)."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network

Network = IPv4Network | IPv6Network

LOCAL_NETWORKS: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        *("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"),
        *("::1/128", "fc00::/7", "fe80::/10"),
    )
)
"""Networks outside the internet. Boards cannot authenticate, so the network has to vouch for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerLimits:
    """Limits of the HTTP server."""

    connections: int = 400
    """Beyond this, the connection that has been idle longest is closed: boards send immediately."""

    head_bytes: int = 8192
    """Size of the request line and headers; the firmware sends about 150 bytes."""

    request_seconds: float = 5.0
    """Timeout for receiving a complete request. The firmware needs some tens of milliseconds."""

    answer_seconds: float = 1.5
    """If a reading is not durable by then, the response is 503: the board waits 2 s at most (G2)."""

    linger_seconds: float = 1.0
    """How long to read and discard data after an early rejection, so that the response gets through."""

    linger_bytes: int = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A token bucket: the burst size, and the interval at which a token is added."""

    at_once: int
    refill_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionRules:
    """Whose readings are accepted (G14). If `known_sensors` is None, those of all boards are forwarded."""

    networks: tuple[Network, ...] = LOCAL_NETWORKS
    known_sensors: frozenset[int] | None = None
    pin_addresses: bool = False
    per_sensor: Rate = field(default_factory=lambda: Rate(at_once=5, refill_seconds=2.0))
    per_address: Rate = field(default_factory=lambda: Rate(at_once=500, refill_seconds=0.01))


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolLimits:
    """Limits of the spool."""

    most_bytes: int = 256 * 1024 * 1024
    """Size of the file; beyond this the oldest readings are dropped. SQLite's WAL file takes a few MB more."""

    pending: int = 2000
    """Readings waiting for their commit; beyond this boards get a 503 immediately."""

    group: int = 500
    """Readings that share one commit and therefore one disk sync."""
