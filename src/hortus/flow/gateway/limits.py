"""How much the gateway takes in, from whom, and how long things may take (plantkeeper 2.3 and 3.4)."""

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
"""Addresses that do not come from the internet. Boards cannot prove who they are, so the network has to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerLimits:
    """Bounds of the HTTP side."""

    connections: int = 400
    """Beyond this, the connection that has been silent longest makes room: boards speak at once."""

    head_bytes: int = 8192
    """The request line and the headers; the firmware sends about 150 bytes."""

    request_seconds: float = 5.0
    """A request must be there as a whole by then. The firmware needs some tens of milliseconds."""

    answer_seconds: float = 1.5
    """A reading that is not durable by then is answered 503: the board waits 2 s at most (G2)."""

    linger_seconds: float = 1.0
    """For so long is read on, and thrown away, what comes after an early refusal, so that it gets through."""

    linger_bytes: int = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """So many at once, and one more each time this many seconds have passed."""

    at_once: int
    refill_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionRules:
    """Whose readings are taken (G14). `known_sensors` None: those of all boards are passed on."""

    networks: tuple[Network, ...] = LOCAL_NETWORKS
    known_sensors: frozenset[int] | None = None
    pin_addresses: bool = False
    per_sensor: Rate = field(default_factory=lambda: Rate(at_once=5, refill_seconds=2.0))
    per_address: Rate = field(default_factory=lambda: Rate(at_once=500, refill_seconds=0.01))


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolLimits:
    """Bounds of the spool."""

    most_bytes: int = 256 * 1024 * 1024
    """Of the file; beyond this the oldest readings make room. SQLite's log beside it takes a few MB more."""

    pending: int = 2000
    """Readings that wait for their commit; beyond this boards are told 503 at once."""

    group: int = 500
    """Readings that share one commit, and so one sync of the disk."""
