"""CONNECT, CONNACK and DISCONNECT: validation of requests, and the terms granted. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from hortus.protocol.mqtt.endpoint.limits import EndpointLimits
from hortus.protocol.mqtt.packets import (
    MQTT_3_1,
    MQTT_5,
    NO_PROPERTIES,
    Connack,
    Connect,
    Disconnect,
    MqttProtocolError,
    Properties,
    ProtocolVersionError,
    ReasonCode,
    connect_return_code,
    encode,
)

# Enough for every address of a site; an attacker with more addresses only evicts their own.
_MAX_ADDRESSES = 4096

_FORGET_AFTER_SECONDS = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The terms granted to a client."""

    client_id: str
    clean_start: bool
    expiry_seconds: float
    keep_alive_seconds: int
    receive_maximum: int
    max_packet_bytes: int | None


def reason_to_refuse(connect: Connect) -> ReasonCode | None:
    """Return why this CONNECT must be refused regardless of the credentials, or None."""
    if connect.properties.authentication_method is not None:
        return ReasonCode.BAD_AUTHENTICATION_METHOD
    # 3.1 requires 1 to 23 characters; 3.1.1 allows none with a clean session (3.1.3.1); 5 always does.
    may_be_empty = connect.protocol_level == MQTT_5 or (
        connect.protocol_level != MQTT_3_1 and connect.clean_start
    )
    if not connect.client_id and not may_be_empty:
        return ReasonCode.CLIENT_IDENTIFIER_NOT_VALID
    if connect.username is None:
        return ReasonCode.NOT_AUTHORIZED
    return None


def terms_for(connect: Connect, limits: EndpointLimits, assigned_client_id: str) -> Terms:
    """Return the terms for this client."""
    properties = connect.properties
    keep_alive_seconds = connect.keep_alive_seconds
    if connect.protocol_level == MQTT_5:
        longest = limits.max_keep_alive_seconds
        keep_alive_seconds = min(keep_alive_seconds or longest, longest)
        expiry_seconds = min(properties.session_expiry_interval_seconds or 0, limits.max_session_expiry_seconds)
    else:
        expiry_seconds = 0 if connect.clean_start else limits.max_session_expiry_seconds
    return Terms(
        client_id=connect.client_id or assigned_client_id,
        clean_start=connect.clean_start,
        expiry_seconds=expiry_seconds,
        keep_alive_seconds=keep_alive_seconds,
        receive_maximum=properties.receive_maximum or 65_535,
        max_packet_bytes=properties.maximum_packet_size_bytes,
    )


def receive_maximum_of(protocol_level: int, limits: EndpointLimits) -> int:
    """Return how many messages a client may have sent without our last answer. Only MQTT 5 can be told."""
    return min(limits.max_unsettled_messages, 65_535) if protocol_level == MQTT_5 else 65_535


def acceptance(connect: Connect, terms: Terms, limits: EndpointLimits, *, session_present: bool) -> bytes:
    """Return the CONNACK that accepts a client."""
    properties = NO_PROPERTIES
    if connect.protocol_level == MQTT_5:
        wanted_expiry = connect.properties.session_expiry_interval_seconds
        properties = Properties(
            assigned_client_identifier=None if connect.client_id else terms.client_id,
            session_expiry_interval_seconds=(
                int(terms.expiry_seconds) if wanted_expiry not in {None, terms.expiry_seconds} else None
            ),
            server_keep_alive_seconds=(
                terms.keep_alive_seconds if terms.keep_alive_seconds != connect.keep_alive_seconds else None
            ),
            receive_maximum=receive_maximum_of(MQTT_5, limits),
            maximum_packet_size_bytes=limits.max_packet_bytes,
        )
    # 3.1 has no "session present"; its byte is reserved.
    present = session_present and connect.protocol_level != MQTT_3_1
    return encode(Connack(session_present=present, properties=properties), connect.protocol_level)


def expiry_after(packet: Disconnect, granted_seconds: float, limits: EndpointLimits) -> float:
    """Return how long the session of a client that says goodbye is kept, which it may change then.

    Raises MqttProtocolError if it wants to keep a session that was to end with its connection.
    """
    wanted_seconds = packet.properties.session_expiry_interval_seconds
    if wanted_seconds is None:
        return granted_seconds
    if wanted_seconds and not granted_seconds:
        raise MqttProtocolError(
            ReasonCode.PROTOCOL_ERROR, "A session that ends with its connection cannot be prolonged."
        )
    return min(wanted_seconds, limits.max_session_expiry_seconds)


def refusal(reason_code: ReasonCode, protocol_level: int) -> bytes:
    """Return the CONNACK that refuses a client, encoded for its protocol level."""
    code = int(reason_code) if protocol_level == MQTT_5 else connect_return_code(reason_code)
    return encode(Connack(reason_code=code), protocol_level)


def refusal_of_version(error: ProtocolVersionError) -> bytes:
    """Return the CONNACK for an unsupported protocol level, so that the client can fall back.

    A later MQTT is expected to read the MQTT 5 form; all others get 0x01 as 3.1.1 specifies.
    """
    is_later = MQTT_5 < error.level < 0x80
    return refusal(ReasonCode.UNSUPPORTED_PROTOCOL_VERSION, MQTT_5 if is_later else MQTT_3_1)


class FailedLogins:
    """Counts failures per address. Correct passwords are never delayed: kits behind a router share one."""

    def __init__(self, limits: EndpointLimits) -> None:
        self._limits = limits
        self._failures: dict[str, tuple[int, float]] = {}

    def delay_after_failure(self, address: str, now: float) -> float:
        """Count a failure; return by how many seconds to delay its answer."""
        count, last = self._failures.pop(address, (0, now))
        count = 1 if now - last > _FORGET_AFTER_SECONDS else count + 1
        if len(self._failures) >= _MAX_ADDRESSES:
            del self._failures[next(iter(self._failures))]
        self._failures[address] = (count, now)
        beyond = count - self._limits.free_failed_logins
        if beyond <= 0:
            return 0.0
        # The exponent is capped; the limit is reached long before.
        return min(self._limits.max_failed_login_delay_seconds, 0.25 * 2.0 ** min(beyond, 16))
