"""Memory limits and timeouts of the client."""

from __future__ import annotations

from dataclasses import dataclass

MEBIBYTE = 1024 * 1024

# A kit's media message may be 64 MiB (kit-mqtt 1.4); the rest is its topic and packet header.
MAX_PACKET_BYTES = 64 * MEBIBYTE + 64 * 1024

NEVER_EXPIRES = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLimits:
    """Bounds of one client; the defaults suit an ingester.

    receive_maximum: messages that the broker may send before it gets acknowledgements. Enough to fill several
        batches while one is being committed; each waiting message is held in memory. Reading stops at twice
        this, because not every broker respects it.
    max_packet_bytes: the largest packet that is read whole. A broker that is given this limit in CONNECT
        silently drops larger ones, so an ingester does not send it; it keeps the beginning of larger messages.
    max_open_bytes: payload bytes received and not yet settled, above which the client stops reading. Memory
        is bounded by this plus one packet.
    max_outgoing: own QoS 1 and 2 publishes that may await the broker's acknowledgement.
    session_expiry_seconds: how long the broker keeps the session, with all its queued messages, after the
        client has disconnected. An expired session takes its queued readings with it, so the default is never.
    keep_alive_seconds: after this long without traffic, in either direction, a ping is sent.
    connect_timeout_seconds: for the TCP and TLS handshake and the broker's CONNACK.
    answer_timeout_seconds: for the acknowledgement of an own publish.
    drain_seconds: how long `stop` waits until messages already read are settled.
    reconnect_first_seconds, reconnect_most_seconds: the pause before reconnecting doubles from the first to the
        second, less up to half of it at random, so that many clients do not reconnect at once.
    """

    receive_maximum: int = 4000
    max_packet_bytes: int = MAX_PACKET_BYTES
    max_open_bytes: int = 64 * MEBIBYTE
    max_outgoing: int = 100
    session_expiry_seconds: int = NEVER_EXPIRES
    keep_alive_seconds: int = 30
    connect_timeout_seconds: float = 10.0
    answer_timeout_seconds: float = 30.0
    drain_seconds: float = 10.0
    reconnect_first_seconds: float = 0.5
    reconnect_most_seconds: float = 30.0
