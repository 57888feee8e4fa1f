"""MQTT packets as values.

All but `Publish` are frozen dataclasses. Fields that only MQTT 5 has (properties, reason codes of
acknowledgements) have defaults and are omitted on the wire in 3.1 and 3.1.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from hortus.protocol.mqtt.packets.properties import NO_PROPERTIES, Properties


class PacketType(IntEnum):
    """The upper four bits of the first byte of a packet (MQTT 5, section 2.1.2)."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    PUBREC = 5
    PUBREL = 6
    PUBCOMP = 7
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14
    AUTH = 15


MQTT_3_1 = 3
MQTT_3_1_1 = 4
MQTT_5 = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Will:
    """The message that the server publishes when the client vanishes."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True, kw_only=True)
class Connect:
    """The first packet of a client. `clean_start` is "clean session" in 3.1 and 3.1.1."""

    client_id: str
    protocol_level: int = MQTT_3_1_1
    clean_start: bool = True
    keep_alive_seconds: int = 60
    username: str | None = None
    password: bytes | None = None
    will: Will | None = None
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True, kw_only=True)
class Connack:
    """The server's answer to CONNECT.

    `reason_code` is the code on the wire at the protocol level: a `ReasonCode` in MQTT 5, a `ConnectReturnCode`
    before.
    """

    reason_code: int = 0
    session_present: bool = False
    properties: Properties = NO_PROPERTIES


class Publish(NamedTuple):
    """An application message. `packet_id` is 0 at QoS 0.

    A tuple rather than a dataclass: one is created for every reading, and a frozen dataclass takes three times
    as long.
    """

    topic: str
    payload: bytes
    qos: int = 0
    packet_id: int = 0
    retain: bool = False
    duplicate: bool = False
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True, kw_only=True)
class OversizedPublish:
    """A PUBLISH larger than the limit: most of its payload was discarded as it arrived.

    `publish` is the message with only the first bytes of its payload; `payload_bytes` is the full size. It is
    received, never sent.
    """

    publish: Publish
    payload_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Puback:
    """QoS 1: the message was received."""

    packet_id: int
    reason_code: int = 0
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True, kw_only=True)
class Pubrec:
    """QoS 2, first answer: the message was received."""

    packet_id: int
    reason_code: int = 0
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True, kw_only=True)
class Pubrel:
    """QoS 2: the sender will not send this message again."""

    packet_id: int
    reason_code: int = 0
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True, kw_only=True)
class Pubcomp:
    """QoS 2, last answer: the packet identifier is free again."""

    packet_id: int
    reason_code: int = 0
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """One topic filter of a SUBSCRIBE with its options; all but `qos` exist in MQTT 5 only.

    `retain_handling`: 0 send retained messages, 1 only if the subscription is new, 2 do not.
    """

    topic_filter: str
    qos: int = 0
    no_local: bool = False
    retain_as_published: bool = False
    retain_handling: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribe:
    """A client's request for messages."""

    packet_id: int
    subscriptions: tuple[Subscription, ...]
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True, kw_only=True)
class Suback:
    """One code per topic filter: the granted QoS, or 0x80 and above for a refusal."""

    packet_id: int
    reason_codes: tuple[int, ...]
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsubscribe:
    """A client's request to end subscriptions."""

    packet_id: int
    topic_filters: tuple[str, ...]
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsuback:
    """The answer to UNSUBSCRIBE; `reason_codes` is empty before MQTT 5."""

    packet_id: int
    reason_codes: tuple[int, ...] = ()
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True, kw_only=True)
class Pingreq:
    """A client's check that the server is alive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pingresp:
    """The answer to PINGREQ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnect:
    """The sender closes the connection deliberately. Before MQTT 5 only a client sends it, without a reason."""

    reason_code: int = 0
    properties: Properties = NO_PROPERTIES


Packet = (
    Connect
    | Connack
    | Publish
    | OversizedPublish
    | Puback
    | Pubrec
    | Pubrel
    | Pubcomp
    | Subscribe
    | Suback
    | Unsubscribe
    | Unsuback
    | Pingreq
    | Pingresp
    | Disconnect
)
