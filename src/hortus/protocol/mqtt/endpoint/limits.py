"""Resource limits of the endpoint (P6)."""

from __future__ import annotations

from dataclasses import dataclass

from hortus.base.intake import KEPT_HEAD_BYTES

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointLimits:
    """Every limit of the endpoint, each with the reason for its default."""

    max_connections: int = 2000
    """An idle connection takes about 20 KB; 2,000 of them fit a small board."""

    max_connections_of_kit: int = 20
    """A kit needs one, and leaves dead ones behind when its network fails. Above it, the oldest is closed. The
    same for each read-only account.
    """

    max_unauthenticated_connections: int = 256
    """Unauthenticated clients must not use up the connections of kits. At it, the one that has been silent for
    longest gives way.
    """

    max_silent_connections_of_address: int = 128
    """Connections without CONNECT. Half of the limit above: one address must not take all places from the
    others, and the kits of a site that return after a power cut may share one.
    """

    connect_timeout_seconds: float = 5.0
    """CONNECT follows the TCP handshake immediately; a silent client only occupies a slot."""

    authentication_timeout_seconds: float = 30.0
    """After a power cut hundreds of kits log in together, and each password takes 10 ms to check."""

    max_connect_packet_bytes: int = 8 * 1024
    """A kit's CONNECT takes 70 bytes; the rest is room for a will and properties."""

    max_packet_bytes: int = 64 * _MIB + 1024
    """Media may have 64 MiB (kit-mqtt 8); the rest is framing, topic and properties. Of a larger message, only
    the beginning is kept, in quarantine.
    """

    kept_head_bytes: int = KEPT_HEAD_BYTES
    """How much of the payload of an oversized message is kept."""

    max_upload_bytes: int = 96 * _MIB
    """Limit for packets over 16 KiB across all connections, from their first byte until they are settled: one
    of full size, or many pictures. Others wait.
    """

    upload_grace_seconds: float = 60.0
    """A packet may take this long to arrive, plus one second for each `upload_bytes_per_second`."""

    upload_bytes_per_second: int = 8 * 1024
    """The slowest uplink that may occupy an upload slot."""

    max_unsettled_messages: int = 1000
    """Per connection. A kit has 20 in flight; a bridge needs some hundreds to fill a batch."""

    max_unsettled_bytes: int = 16 * _MIB
    """Per connection, of messages other than uploads. Reading resumes when half of it is settled."""

    max_unreleased_messages: int = 10_000
    """QoS 2 messages of one session that were received (PUBREC) but not released (PUBREL)."""

    max_total_unsettled_bytes: int = 64 * _MIB
    """Across all connections, of messages other than uploads. At it, reading pauses until some are settled."""

    max_unread_answer_bytes: int = 256 * 1024
    """A peer that publishes but never reads its acknowledgements is disconnected at this limit."""

    max_unsent_bytes: int = 256 * 1024
    """Bytes handed to the socket and not yet read by the peer; above this, messages wait in their queue."""

    max_inflight_messages: int = 200
    """Unacknowledged QoS 1 and 2 messages per subscriber; lower if its receive maximum is lower."""

    max_queued_messages: int = 10_000
    """Per subscriber. When it is full, QoS 0 is dropped; for QoS 1 and 2 the subscriber is disconnected."""

    max_queued_bytes: int = 32 * _MIB
    """Per subscriber, queued and in flight. A single larger message passes through an empty queue."""

    max_total_queued_bytes: int = 64 * _MIB
    """Across all subscribers, including sessions of disconnected clients."""

    max_subscriptions: int = 100
    """Per session. A kit has two."""

    max_absent_sessions: int = 500
    """Sessions kept for disconnected clients; above the limit, the one absent for longest is removed."""

    max_absent_sessions_of_identity: int = 50
    """The same per account, so that one account cannot evict the sessions of others."""

    max_session_expiry_seconds: int = 24 * 3600
    """Sessions live in memory; a client that stays away for longer starts anew."""

    max_retained_messages: int = 1000
    """Retained messages exist outside `kit/` only, for use by people."""

    max_retained_bytes: int = 8 * _MIB
    """Across all retained messages."""

    max_keep_alive_seconds: int = 600
    """Imposed on MQTT 5 clients that request more or none, so that dead connections are noticed."""

    free_failed_logins: int = 5
    """Per address, before the answer to a wrong password is delayed."""

    max_failed_login_delay_seconds: float = 10.0
    """The delay doubles per failure up to this. Correct passwords are never delayed: kits share addresses."""

    max_delayed_refusals: int = 64
    """Delayed answers at a time; further wrong passwords are answered immediately, so that none pile up."""

    sharing_grace_seconds: float = 5.0
    """A connection that is heard this long after a newer one of the same kit has logged in is that of another
    client: one that has lost its connection no longer uses it.
    """

    free_takeovers: int = 3
    """How often a client may take its client id over, each time within a minute of the last, before it has to
    wait: a kit with a bad network leaves dead connections behind.
    """

    max_takeover_pause_seconds: float = 4.0
    """The wait doubles per takeover up to this; short enough that clients do not give up on their CONNACK."""

    max_concurrent_authentications: int = 4
    """Password checks must not take all processors from the readings."""

    stop_timeout_seconds: float = 3.0
    """How long a stop waits for open messages to settle; the others are delivered again later."""

    close_timeout_seconds: float = 2.0
    """How long a closed connection may take to accept its last bytes."""
