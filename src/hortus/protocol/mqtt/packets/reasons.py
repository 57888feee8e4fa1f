"""MQTT reason codes, and the error that carries one."""

from __future__ import annotations

from enum import IntEnum

from hortus.base.errors import HortusError


class ReasonCode(IntEnum):
    """The outcome of a packet or a connection (MQTT 5, section 2.4)."""

    SUCCESS = 0x00
    GRANTED_QOS_1 = 0x01
    GRANTED_QOS_2 = 0x02
    DISCONNECT_WITH_WILL = 0x04
    NO_MATCHING_SUBSCRIBERS = 0x10
    NO_SUBSCRIPTION_EXISTED = 0x11
    CONTINUE_AUTHENTICATION = 0x18
    REAUTHENTICATE = 0x19
    UNSPECIFIED_ERROR = 0x80
    MALFORMED_PACKET = 0x81
    PROTOCOL_ERROR = 0x82
    IMPLEMENTATION_SPECIFIC_ERROR = 0x83
    UNSUPPORTED_PROTOCOL_VERSION = 0x84
    CLIENT_IDENTIFIER_NOT_VALID = 0x85
    BAD_USER_NAME_OR_PASSWORD = 0x86
    NOT_AUTHORIZED = 0x87
    SERVER_UNAVAILABLE = 0x88
    SERVER_BUSY = 0x89
    BANNED = 0x8A
    SERVER_SHUTTING_DOWN = 0x8B
    BAD_AUTHENTICATION_METHOD = 0x8C
    KEEP_ALIVE_TIMEOUT = 0x8D
    SESSION_TAKEN_OVER = 0x8E
    TOPIC_FILTER_INVALID = 0x8F
    TOPIC_NAME_INVALID = 0x90
    PACKET_IDENTIFIER_IN_USE = 0x91
    PACKET_IDENTIFIER_NOT_FOUND = 0x92
    RECEIVE_MAXIMUM_EXCEEDED = 0x93
    TOPIC_ALIAS_INVALID = 0x94
    PACKET_TOO_LARGE = 0x95
    MESSAGE_RATE_TOO_HIGH = 0x96
    QUOTA_EXCEEDED = 0x97
    ADMINISTRATIVE_ACTION = 0x98
    PAYLOAD_FORMAT_INVALID = 0x99
    RETAIN_NOT_SUPPORTED = 0x9A
    QOS_NOT_SUPPORTED = 0x9B
    USE_ANOTHER_SERVER = 0x9C
    SERVER_MOVED = 0x9D
    SHARED_SUBSCRIPTIONS_NOT_SUPPORTED = 0x9E
    CONNECTION_RATE_EXCEEDED = 0x9F
    MAXIMUM_CONNECT_TIME = 0xA0
    SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED = 0xA1
    WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED = 0xA2


class ConnectReturnCode(IntEnum):
    """The return code of a CONNACK in MQTT 3.1 and 3.1.1 (3.1.1, section 3.2.2.3)."""

    ACCEPTED = 0
    UNACCEPTABLE_PROTOCOL_VERSION = 1
    IDENTIFIER_REJECTED = 2
    SERVER_UNAVAILABLE = 3
    BAD_USER_NAME_OR_PASSWORD = 4
    NOT_AUTHORIZED = 5


# The SUBACK code for a refused filter in MQTT 3.1.1 (section 3.9.3).
SUBSCRIPTION_FAILURE = 0x80

_RETURN_CODES = {
    ReasonCode.SUCCESS: ConnectReturnCode.ACCEPTED,
    ReasonCode.UNSUPPORTED_PROTOCOL_VERSION: ConnectReturnCode.UNACCEPTABLE_PROTOCOL_VERSION,
    ReasonCode.CLIENT_IDENTIFIER_NOT_VALID: ConnectReturnCode.IDENTIFIER_REJECTED,
    # Not 4: only for 5 does the kit's program log that the password should be checked, and it is what Mosquitto
    # answers, to which kits are used.
    ReasonCode.BAD_USER_NAME_OR_PASSWORD: ConnectReturnCode.NOT_AUTHORIZED,
    ReasonCode.NOT_AUTHORIZED: ConnectReturnCode.NOT_AUTHORIZED,
    ReasonCode.BANNED: ConnectReturnCode.NOT_AUTHORIZED,
}


def connect_return_code(reason_code: int) -> int:
    """Translate an MQTT 5 reason code for a CONNACK of MQTT 3.1 or 3.1.1; the default is "unavailable"."""
    known = {int(reason): code for reason, code in _RETURN_CODES.items()}
    return int(known.get(reason_code, ConnectReturnCode.SERVER_UNAVAILABLE))


def explain_reason(reason_code: int) -> str:
    """Return a description of a reason code, such as "not authorized (0x87)"."""
    try:
        words = ReasonCode(reason_code).name.lower().replace("_", " ")
    except ValueError:
        words = "unknown reason"
    return f"{words} (0x{reason_code:02x})"


class MqttProtocolError(HortusError):
    """Bytes or packets that MQTT forbids; their connection cannot continue.

    `reason_code` is the code that MQTT 5 sends to the peer.
    """

    def __init__(self, reason_code: ReasonCode, message: str) -> None:
        super().__init__(message)
        self.reason_code = reason_code


class ProtocolVersionError(MqttProtocolError):
    """A CONNECT with an unsupported protocol level; a CONNACK makes the client fall back."""

    def __init__(self, level: int) -> None:
        super().__init__(
            ReasonCode.UNSUPPORTED_PROTOCOL_VERSION,
            f"MQTT protocol level {level} is not supported; use 3 (3.1), 4 (3.1.1) or 5.",
        )
        self.level = level


class PacketTooLargeError(MqttProtocolError):
    """A packet announces more bytes than are accepted; raised before its body is buffered.

    `kind` is the type of packet, such as "SUBSCRIBE".
    """

    def __init__(self, kind: str, packet_bytes: int, max_packet_bytes: int) -> None:
        super().__init__(
            ReasonCode.PACKET_TOO_LARGE,
            f"A {kind} of {packet_bytes} bytes is too large; the limit is {max_packet_bytes} bytes.",
        )
        self.packet_bytes = packet_bytes
