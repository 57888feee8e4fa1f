"""Packet bodies to values, for MQTT 3.1, 3.1.1 and 5. PUBLISH is decoded in the reader, for speed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hortus.protocol.mqtt.packets.primitives import (
    FieldReader,
    decode_topic_name,
    malformed,
    protocol_error,
)
from hortus.protocol.mqtt.packets.properties import (
    NO_PROPERTIES,
    Properties,
    PropertyPlace,
    decode_properties,
)
from hortus.protocol.mqtt.packets.reasons import MqttProtocolError, ProtocolVersionError, ReasonCode
from hortus.protocol.mqtt.packets.values import (
    MQTT_3_1,
    MQTT_3_1_1,
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
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Subscription,
    Unsuback,
    Unsubscribe,
    Will,
)

# PUBREL, SUBSCRIBE and UNSUBSCRIBE carry 0b0010, a relic of MQTT 3.1 where they were QoS 1 messages.
_FLAGS = {PacketType.PUBREL: 2, PacketType.SUBSCRIBE: 2, PacketType.UNSUBSCRIBE: 2}
_DUPLICATE_FLAG = 8


def decode_packet(first_byte: int, body: bytes, protocol_level: int) -> Packet:
    """Decode the packet with this first byte and body. Not for PUBLISH.

    Raises MqttProtocolError if the packet is malformed or does not exist at this protocol level.
    """
    decoder = _DECODERS.get(first_byte >> 4)
    if decoder is None:
        raise _no_such_packet(first_byte >> 4)
    _check_flags(first_byte, protocol_level)
    cursor = FieldReader(body)
    packet: Packet = decoder(cursor, protocol_level)
    cursor.expect_end()
    return packet


def _no_such_packet(packet_type: int) -> MqttProtocolError:
    if packet_type == PacketType.AUTH:
        return MqttProtocolError(
            ReasonCode.BAD_AUTHENTICATION_METHOD,
            "Enhanced authentication (AUTH) is not supported; use a user name and a password.",
        )
    return malformed(f"There is no packet of type {packet_type}.")


def _check_flags(first_byte: int, protocol_level: int) -> None:
    flags = first_byte & 0x0F
    expected = _FLAGS.get(PacketType(first_byte >> 4), 0)
    if protocol_level == MQTT_3_1 and expected:
        # In 3.1 these may be resent with the duplicate flag (3.1, section 2.1).
        flags &= ~_DUPLICATE_FLAG
    if flags != expected:
        raise malformed(f"The reserved flags of {PacketType(first_byte >> 4).name} are wrong.")


def _properties(cursor: FieldReader, protocol_level: int, place: PropertyPlace) -> Properties:
    return decode_properties(cursor, place) if protocol_level == MQTT_5 else NO_PROPERTIES


def _decode_connect(cursor: FieldReader, _protocol_level: int) -> Connect:
    level = _decode_protocol_level(cursor)
    flags = cursor.byte()
    if flags & 0x01 and level != MQTT_3_1:
        raise malformed("The reserved flag of CONNECT is set.")
    keep_alive_seconds = cursor.uint16()
    properties = _properties(cursor, level, PropertyPlace.CONNECT)
    if properties.authentication_data is not None and properties.authentication_method is None:
        raise protocol_error("CONNECT has authentication data without an authentication method.")
    client_id = cursor.text()
    will = _decode_will(cursor, flags, level)
    has_username, has_password = bool(flags & 0x80), bool(flags & 0x40)
    if has_password and not has_username and level != MQTT_5:
        raise malformed("CONNECT has a password but no user name.")
    return Connect(
        client_id=client_id,
        protocol_level=level,
        clean_start=bool(flags & 0x02),
        keep_alive_seconds=keep_alive_seconds,
        username=cursor.text() if has_username else None,
        password=cursor.binary() if has_password else None,
        will=will,
        properties=properties,
    )


def _decode_protocol_level(cursor: FieldReader) -> int:
    name = cursor.binary()
    if name not in {b"MQTT", b"MQIsdp"}:
        raise MqttProtocolError(
            ReasonCode.UNSUPPORTED_PROTOCOL_VERSION,
            "The client does not speak MQTT: its protocol name is unknown.",
        )
    level = cursor.byte()
    if level not in ({MQTT_3_1} if name == b"MQIsdp" else {MQTT_3_1_1, MQTT_5}):
        raise ProtocolVersionError(level)
    return level


def _decode_will(cursor: FieldReader, flags: int, level: int) -> Will | None:
    qos = flags >> 3 & 0x03
    retain = bool(flags & 0x20)
    if not flags & 0x04:
        if (qos or retain) and level != MQTT_3_1:
            raise malformed("CONNECT has options for a will but no will.")
        return None
    if qos == 3:
        raise malformed("The will asks for QoS 3, which does not exist.")
    properties = _properties(cursor, level, PropertyPlace.WILL)
    topic = decode_topic_name(cursor.binary())
    if not topic:
        raise MqttProtocolError(ReasonCode.TOPIC_NAME_INVALID, "The will has no topic.")
    return Will(topic=topic, payload=cursor.binary(), qos=qos, retain=retain, properties=properties)


def _decode_connack(cursor: FieldReader, protocol_level: int) -> Connack:
    flags = cursor.byte()
    if flags > 1 and protocol_level != MQTT_3_1:
        raise malformed("The reserved flags of CONNACK are set.")
    reason_code = cursor.byte()
    return Connack(
        session_present=bool(flags & 1),
        reason_code=reason_code,
        # A server that does not support MQTT 5 refuses with the two bytes of 3.1.1.
        properties=_properties(cursor, protocol_level, PropertyPlace.CONNACK)
        if cursor.remaining
        else NO_PROPERTIES,
    )


def _acknowledgement_decoder(
    make: type[Puback | Pubrec | Pubrel | Pubcomp], place: PropertyPlace
) -> Callable[[FieldReader, int], Packet]:
    def decode_acknowledgement(cursor: FieldReader, protocol_level: int) -> Packet:
        packet_id = cursor.packet_id()
        if protocol_level != MQTT_5 or not cursor.remaining:
            return make(packet_id=packet_id)
        reason_code = cursor.byte()
        properties = decode_properties(cursor, place) if cursor.remaining else NO_PROPERTIES
        return make(packet_id=packet_id, reason_code=reason_code, properties=properties)

    return decode_acknowledgement


def _decode_subscribe(cursor: FieldReader, protocol_level: int) -> Subscribe:
    packet_id = cursor.packet_id()
    properties = _properties(cursor, protocol_level, PropertyPlace.SUBSCRIBE)
    subscriptions = []
    while cursor.remaining:
        subscriptions.append(_decode_subscription(cursor.text(), cursor.byte(), protocol_level))
    if not subscriptions:
        raise protocol_error("A SUBSCRIBE has no topic filter.")
    return Subscribe(packet_id=packet_id, subscriptions=tuple(subscriptions), properties=properties)


def _decode_subscription(topic_filter: str, options: int, protocol_level: int) -> Subscription:
    # Whether the filter itself is allowed is answered per filter in SUBACK: a bad one does not affect others.
    qos = options & 0x03
    if protocol_level == MQTT_3_1:
        options = qos
    if qos == 3 or options & (0xC0 if protocol_level == MQTT_5 else 0xFC):
        raise malformed("A SUBSCRIBE has reserved options set.")
    retain_handling = options >> 4
    no_local = bool(options & 0x04)
    if retain_handling == 3:
        raise protocol_error("A SUBSCRIBE has retain handling 3, which does not exist.")
    if no_local and topic_filter.startswith("$share/"):
        raise protocol_error("A shared subscription cannot leave out own messages (no local).")
    return Subscription(
        topic_filter=topic_filter,
        qos=qos,
        no_local=no_local,
        retain_as_published=bool(options & 0x08),
        retain_handling=retain_handling,
    )


def _decode_suback(cursor: FieldReader, protocol_level: int) -> Suback:
    packet_id = cursor.packet_id()
    properties = _properties(cursor, protocol_level, PropertyPlace.SUBACK)
    return Suback(packet_id=packet_id, reason_codes=tuple(cursor.rest()), properties=properties)


def _decode_unsubscribe(cursor: FieldReader, protocol_level: int) -> Unsubscribe:
    packet_id = cursor.packet_id()
    properties = _properties(cursor, protocol_level, PropertyPlace.UNSUBSCRIBE)
    topic_filters = []
    while cursor.remaining:
        topic_filters.append(cursor.text())
    if not topic_filters:
        raise protocol_error("An UNSUBSCRIBE has no topic filter.")
    return Unsubscribe(packet_id=packet_id, topic_filters=tuple(topic_filters), properties=properties)


def _decode_unsuback(cursor: FieldReader, protocol_level: int) -> Unsuback:
    packet_id = cursor.packet_id()
    if protocol_level != MQTT_5:
        return Unsuback(packet_id=packet_id)
    properties = decode_properties(cursor, PropertyPlace.UNSUBACK)
    return Unsuback(packet_id=packet_id, reason_codes=tuple(cursor.rest()), properties=properties)


def _decode_disconnect(cursor: FieldReader, protocol_level: int) -> Disconnect:
    if protocol_level != MQTT_5 or not cursor.remaining:
        return Disconnect()
    reason_code = cursor.byte()
    properties = decode_properties(cursor, PropertyPlace.DISCONNECT) if cursor.remaining else NO_PROPERTIES
    return Disconnect(reason_code=reason_code, properties=properties)


_DECODERS: dict[int, Callable[[FieldReader, int], Any]] = {
    PacketType.CONNECT: _decode_connect,
    PacketType.CONNACK: _decode_connack,
    PacketType.PUBACK: _acknowledgement_decoder(Puback, PropertyPlace.PUBACK),
    PacketType.PUBREC: _acknowledgement_decoder(Pubrec, PropertyPlace.PUBREC),
    PacketType.PUBREL: _acknowledgement_decoder(Pubrel, PropertyPlace.PUBREL),
    PacketType.PUBCOMP: _acknowledgement_decoder(Pubcomp, PropertyPlace.PUBCOMP),
    PacketType.SUBSCRIBE: _decode_subscribe,
    PacketType.SUBACK: _decode_suback,
    PacketType.UNSUBSCRIBE: _decode_unsubscribe,
    PacketType.UNSUBACK: _decode_unsuback,
    PacketType.PINGREQ: lambda _cursor, _level: Pingreq(),
    PacketType.PINGRESP: lambda _cursor, _level: Pingresp(),
    PacketType.DISCONNECT: _decode_disconnect,
}
