"""Answers to the packets around PUBLISH, as bytes; only MQTT 5 has answers that say no. Pure."""

from __future__ import annotations

from hortus.protocol.mqtt.packets import (
    MQTT_5,
    MqttProtocolError,
    Packet,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    ReasonCode,
    encode,
    encode_pubcomp,
    encode_pubrel,
)


def refusal_of_publish(publish: Publish) -> bytes:
    """Return the answer of MQTT 5 to a message of QoS 1 or 2 that its sender may not publish."""
    make = Puback if publish.qos == 1 else Pubrec
    return encode(make(packet_id=publish.packet_id, reason_code=ReasonCode.NOT_AUTHORIZED), MQTT_5)


def answer_to_pubrec(packet: Pubrec, protocol_level: int, *, is_expected: bool) -> bytes:
    """Return the PUBREL; nothing if the message was rejected."""
    if is_expected or protocol_level != MQTT_5:
        return encode_pubrel(packet.packet_id)
    if packet.reason_code >= 0x80:
        return b""
    unknown = Pubrel(packet_id=packet.packet_id, reason_code=ReasonCode.PACKET_IDENTIFIER_NOT_FOUND)
    return encode(unknown, MQTT_5)


def answer_to_pubrel(packet: Pubrel, protocol_level: int, *, is_expected: bool) -> bytes:
    """Return the PUBCOMP."""
    if is_expected or protocol_level != MQTT_5:
        return encode_pubcomp(packet.packet_id)
    unknown = Pubcomp(packet_id=packet.packet_id, reason_code=ReasonCode.PACKET_IDENTIFIER_NOT_FOUND)
    return encode(unknown, MQTT_5)


def out_of_place(packet: Packet) -> MqttProtocolError:
    """Return the error for a packet that a client must not send, or not at this time."""
    name = type(packet).__name__.upper()
    return MqttProtocolError(ReasonCode.PROTOCOL_ERROR, f"The client sent an unexpected {name}.")
