"""Packets to bytes, for MQTT 3.1, 3.1.1 and 5."""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Any

from hortus.protocol.mqtt.packets.primitives import (
    encode_binary,
    encode_packet_id,
    encode_text,
    encode_uint16,
    encode_variable_integer,
    protocol_error,
)
from hortus.protocol.mqtt.packets.properties import NO_PROPERTIES, PropertyPlace, encode_properties
from hortus.protocol.mqtt.packets.reasons import MqttProtocolError, ReasonCode
from hortus.protocol.mqtt.packets.values import (
    MQTT_3_1,
    MQTT_5,
    Connack,
    Connect,
    Disconnect,
    Packet,
    PacketType,
    Pingreq,
    Pingresp,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
    Will,
)

_PLAIN_ACKNOWLEDGEMENT = Struct(">BBH").pack


def encode(packet: Packet, protocol_level: int) -> bytes:
    """Return the packet's wire format at this protocol level (3, 4 or 5).

    Raises MqttProtocolError for what MQTT cannot express: a text over 65,535 bytes, a packet identifier of 0, a
    topic with a wildcard, a packet over 256 MiB.
    """
    if type(packet) is Publish:
        return _encode_publish(packet, protocol_level)
    return _ENCODERS[type(packet)](packet, protocol_level)


def encode_puback(packet_id: int) -> bytes:
    """Return a successful PUBACK: the same four bytes at every level, for writing many at once."""
    return _PLAIN_ACKNOWLEDGEMENT(0x40, 2, packet_id)


def encode_pubrec(packet_id: int) -> bytes:
    """Return a successful PUBREC, as `encode_puback` does."""
    return _PLAIN_ACKNOWLEDGEMENT(0x50, 2, packet_id)


def encode_pubrel(packet_id: int) -> bytes:
    """Return a successful PUBREL, as `encode_puback` does."""
    return _PLAIN_ACKNOWLEDGEMENT(0x62, 2, packet_id)


def encode_pubcomp(packet_id: int) -> bytes:
    """Return a successful PUBCOMP, as `encode_puback` does."""
    return _PLAIN_ACKNOWLEDGEMENT(0x70, 2, packet_id)


def _encode_publish(packet: Publish, protocol_level: int) -> bytes:
    topic, payload, qos, packet_id, retain, duplicate, properties = packet
    if "+" in topic or "#" in topic:
        raise MqttProtocolError(
            ReasonCode.TOPIC_NAME_INVALID, "A topic with a wildcard (+ or #) cannot be published."
        )
    if not topic and (protocol_level != MQTT_5 or properties.topic_alias is None):
        raise MqttProtocolError(ReasonCode.TOPIC_NAME_INVALID, "A message without a topic cannot be published.")
    if not 0 <= qos <= 2 or (duplicate and not qos):
        raise protocol_error(f"QoS {qos} with duplicate={duplicate} cannot be published.")
    head = encode_text(topic)
    if qos:
        head += encode_packet_id(packet_id)
    if protocol_level == MQTT_5:
        head += encode_properties(properties, PropertyPlace.PUBLISH)
    first = 0x30 | duplicate << 3 | qos << 1 | retain
    return b"".join((bytes((first,)), encode_variable_integer(len(head) + len(payload)), head, payload))


def _frame(packet_type: PacketType, body: bytes, flags: int = 0) -> bytes:
    return bytes((packet_type << 4 | flags,)) + encode_variable_integer(len(body)) + body


def _encode_connect(packet: Connect, _protocol_level: int) -> bytes:
    level = packet.protocol_level
    will = packet.will
    flags = packet.clean_start << 1
    if will is not None:
        flags |= 0x04 | will.qos << 3 | will.retain << 5
    if packet.password is not None:
        flags |= 0x40
    if packet.username is not None:
        flags |= 0x80
    body = encode_text("MQIsdp" if level == MQTT_3_1 else "MQTT") + bytes((level, flags))
    body += encode_uint16(packet.keep_alive_seconds)
    if level == MQTT_5:
        body += encode_properties(packet.properties, PropertyPlace.CONNECT)
    body += encode_text(packet.client_id)
    if will is not None:
        body += _encode_will(will, level)
    if packet.username is not None:
        body += encode_text(packet.username)
    if packet.password is not None:
        if packet.username is None and level != MQTT_5:
            raise protocol_error("A password without a user name needs MQTT 5.")
        body += encode_binary(packet.password)
    return _frame(PacketType.CONNECT, body)


def _encode_will(will: Will, level: int) -> bytes:
    properties = encode_properties(will.properties, PropertyPlace.WILL) if level == MQTT_5 else b""
    return properties + encode_text(will.topic) + encode_binary(will.payload)


def _encode_connack(packet: Connack, protocol_level: int) -> bytes:
    body = bytes((packet.session_present, packet.reason_code))
    if protocol_level == MQTT_5:
        body += encode_properties(packet.properties, PropertyPlace.CONNACK)
    return _frame(PacketType.CONNACK, body)


def _acknowledgement_encoder(
    packet_type: PacketType, place: PropertyPlace, flags: int = 0
) -> Callable[[Any, int], bytes]:
    def encode_acknowledgement(packet: Puback | Pubrec | Pubrel | Pubcomp, protocol_level: int) -> bytes:
        body = encode_packet_id(packet.packet_id)
        if protocol_level == MQTT_5:
            body += _optional_reason(packet.reason_code, packet.properties is not NO_PROPERTIES)
            if packet.properties is not NO_PROPERTIES:
                body += encode_properties(packet.properties, place)
        return _frame(packet_type, body, flags)

    return encode_acknowledgement


def _optional_reason(reason_code: int, has_properties: bool) -> bytes:
    # MQTT 5 allows omitting both on success, which keeps an acknowledgement at four bytes.
    return bytes((reason_code,)) if reason_code or has_properties else b""


def _encode_subscribe(packet: Subscribe, protocol_level: int) -> bytes:
    if not packet.subscriptions:
        raise protocol_error("A SUBSCRIBE without a topic filter cannot be sent.")
    body = encode_packet_id(packet.packet_id)
    if protocol_level == MQTT_5:
        body += encode_properties(packet.properties, PropertyPlace.SUBSCRIBE)
    for subscription in packet.subscriptions:
        options = subscription.qos
        if protocol_level == MQTT_5:
            options |= subscription.no_local << 2 | subscription.retain_as_published << 3
            options |= subscription.retain_handling << 4
        body += encode_text(subscription.topic_filter) + bytes((options,))
    return _frame(PacketType.SUBSCRIBE, body, 2)


def _encode_suback(packet: Suback, protocol_level: int) -> bytes:
    body = encode_packet_id(packet.packet_id)
    if protocol_level == MQTT_5:
        body += encode_properties(packet.properties, PropertyPlace.SUBACK)
    return _frame(PacketType.SUBACK, body + bytes(packet.reason_codes))


def _encode_unsubscribe(packet: Unsubscribe, protocol_level: int) -> bytes:
    if not packet.topic_filters:
        raise protocol_error("An UNSUBSCRIBE without a topic filter cannot be sent.")
    body = encode_packet_id(packet.packet_id)
    if protocol_level == MQTT_5:
        body += encode_properties(packet.properties, PropertyPlace.UNSUBSCRIBE)
    body += b"".join(encode_text(topic_filter) for topic_filter in packet.topic_filters)
    return _frame(PacketType.UNSUBSCRIBE, body, 2)


def _encode_unsuback(packet: Unsuback, protocol_level: int) -> bytes:
    body = encode_packet_id(packet.packet_id)
    if protocol_level == MQTT_5:
        body += encode_properties(packet.properties, PropertyPlace.UNSUBACK) + bytes(packet.reason_codes)
    return _frame(PacketType.UNSUBACK, body)


def _encode_disconnect(packet: Disconnect, protocol_level: int) -> bytes:
    body = b""
    if protocol_level == MQTT_5:
        body = _optional_reason(packet.reason_code, packet.properties is not NO_PROPERTIES)
        if packet.properties is not NO_PROPERTIES:
            body += encode_properties(packet.properties, PropertyPlace.DISCONNECT)
    return _frame(PacketType.DISCONNECT, body)


_ENCODERS: dict[type[Any], Callable[[Any, int], bytes]] = {
    Connect: _encode_connect,
    Connack: _encode_connack,
    Puback: _acknowledgement_encoder(PacketType.PUBACK, PropertyPlace.PUBACK),
    Pubrec: _acknowledgement_encoder(PacketType.PUBREC, PropertyPlace.PUBREC),
    Pubrel: _acknowledgement_encoder(PacketType.PUBREL, PropertyPlace.PUBREL, flags=2),
    Pubcomp: _acknowledgement_encoder(PacketType.PUBCOMP, PropertyPlace.PUBCOMP),
    Subscribe: _encode_subscribe,
    Suback: _encode_suback,
    Unsubscribe: _encode_unsubscribe,
    Unsuback: _encode_unsuback,
    Pingreq: lambda _packet, _level: b"\xc0\x00",
    Pingresp: lambda _packet, _level: b"\xd0\x00",
    Disconnect: _encode_disconnect,
}
