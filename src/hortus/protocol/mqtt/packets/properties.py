"""The properties of MQTT 5 (section 2.2.2): one table, with decoding and encoding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from hortus.protocol.mqtt.packets.primitives import (
    FieldReader,
    encode_binary,
    encode_text,
    encode_uint16,
    encode_variable_integer,
    protocol_error,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Properties:
    """All properties that MQTT 5 defines; None (or empty) means absent."""

    payload_format_indicator: int | None = None
    message_expiry_interval_seconds: int | None = None
    content_type: str | None = None
    response_topic: str | None = None
    correlation_data: bytes | None = None
    subscription_identifiers: tuple[int, ...] = ()
    session_expiry_interval_seconds: int | None = None
    assigned_client_identifier: str | None = None
    server_keep_alive_seconds: int | None = None
    authentication_method: str | None = None
    authentication_data: bytes | None = None
    request_problem_information: int | None = None
    will_delay_interval_seconds: int | None = None
    request_response_information: int | None = None
    response_information: str | None = None
    server_reference: str | None = None
    reason_string: str | None = None
    receive_maximum: int | None = None
    topic_alias_maximum: int | None = None
    topic_alias: int | None = None
    maximum_qos: int | None = None
    retain_available: int | None = None
    user_properties: tuple[tuple[str, str], ...] = ()
    maximum_packet_size_bytes: int | None = None
    wildcard_subscription_available: int | None = None
    subscription_identifiers_available: int | None = None
    shared_subscription_available: int | None = None


NO_PROPERTIES = Properties()


class PropertyPlace(Enum):
    """Where properties may occur: a packet, or the will inside CONNECT."""

    CONNECT = "CONNECT"
    CONNACK = "CONNACK"
    PUBLISH = "PUBLISH"
    WILL = "will"
    PUBACK = "PUBACK"
    PUBREC = "PUBREC"
    PUBREL = "PUBREL"
    PUBCOMP = "PUBCOMP"
    SUBSCRIBE = "SUBSCRIBE"
    SUBACK = "SUBACK"
    UNSUBSCRIBE = "UNSUBSCRIBE"
    UNSUBACK = "UNSUBACK"
    DISCONNECT = "DISCONNECT"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """How a property's value is decoded and encoded, and its allowed range."""

    read: Callable[[FieldReader], Any]
    write: Callable[[Any], bytes]
    lowest: int = 0
    highest: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    """One row of the table."""

    field: str
    kind: _Kind
    places: frozenset[PropertyPlace]
    repeats_in: frozenset[PropertyPlace] = frozenset()


def _read_pair(cursor: FieldReader) -> tuple[str, str]:
    return cursor.text(), cursor.text()


def _write_pair(pair: tuple[str, str]) -> bytes:
    return encode_text(pair[0]) + encode_text(pair[1])


def _write_byte(value: int) -> bytes:
    return bytes((value,))


def _write_uint32(value: int) -> bytes:
    return value.to_bytes(4, "big")


_FLAG = _Kind(read=FieldReader.byte, write=_write_byte, highest=1)
_UINT16 = _Kind(read=FieldReader.uint16, write=encode_uint16)
_UINT16_NOT_ZERO = _Kind(read=FieldReader.uint16, write=encode_uint16, lowest=1)
_UINT32 = _Kind(read=FieldReader.uint32, write=_write_uint32)
_UINT32_NOT_ZERO = _Kind(read=FieldReader.uint32, write=_write_uint32, lowest=1)
_VARIABLE = _Kind(read=FieldReader.variable_integer, write=encode_variable_integer, lowest=1)
_TEXT = _Kind(read=FieldReader.text, write=encode_text)
_BINARY = _Kind(read=FieldReader.binary, write=encode_binary)
_PAIR = _Kind(read=_read_pair, write=_write_pair)

_CONNECT, _CONNACK = frozenset({PropertyPlace.CONNECT}), frozenset({PropertyPlace.CONNACK})
_CONNECT_CONNACK = _CONNECT | _CONNACK
_PUBLISH, _WILL = frozenset({PropertyPlace.PUBLISH}), frozenset({PropertyPlace.WILL})
_MESSAGE = _PUBLISH | _WILL
_SUBSCRIBE = frozenset({PropertyPlace.SUBSCRIBE})
_DISCONNECT = frozenset({PropertyPlace.DISCONNECT})
_ANYWHERE = frozenset(PropertyPlace)
_ANSWERS = _ANYWHERE - _CONNECT - _MESSAGE - _SUBSCRIBE - frozenset({PropertyPlace.UNSUBSCRIBE})


def _rule(
    field: str,
    kind: _Kind,
    places: frozenset[PropertyPlace],
    repeats_in: frozenset[PropertyPlace] = frozenset(),
) -> _Rule:
    return _Rule(field=field, kind=kind, places=places, repeats_in=repeats_in)


_RULES: dict[int, _Rule] = {
    0x01: _rule("payload_format_indicator", _FLAG, _MESSAGE),
    0x02: _rule("message_expiry_interval_seconds", _UINT32, _MESSAGE),
    0x03: _rule("content_type", _TEXT, _MESSAGE),
    0x08: _rule("response_topic", _TEXT, _MESSAGE),
    0x09: _rule("correlation_data", _BINARY, _MESSAGE),
    0x0B: _rule("subscription_identifiers", _VARIABLE, _PUBLISH | _SUBSCRIBE, repeats_in=_PUBLISH),
    0x11: _rule("session_expiry_interval_seconds", _UINT32, _CONNECT_CONNACK | _DISCONNECT),
    0x12: _rule("assigned_client_identifier", _TEXT, _CONNACK),
    0x13: _rule("server_keep_alive_seconds", _UINT16, _CONNACK),
    0x15: _rule("authentication_method", _TEXT, _CONNECT_CONNACK),
    0x16: _rule("authentication_data", _BINARY, _CONNECT_CONNACK),
    0x17: _rule("request_problem_information", _FLAG, _CONNECT),
    0x18: _rule("will_delay_interval_seconds", _UINT32, _WILL),
    0x19: _rule("request_response_information", _FLAG, _CONNECT),
    0x1A: _rule("response_information", _TEXT, _CONNACK),
    0x1C: _rule("server_reference", _TEXT, _CONNACK | _DISCONNECT),
    0x1F: _rule("reason_string", _TEXT, _ANSWERS),
    0x21: _rule("receive_maximum", _UINT16_NOT_ZERO, _CONNECT_CONNACK),
    0x22: _rule("topic_alias_maximum", _UINT16, _CONNECT_CONNACK),
    0x23: _rule("topic_alias", _UINT16_NOT_ZERO, _PUBLISH),
    0x24: _rule("maximum_qos", _FLAG, _CONNACK),
    0x25: _rule("retain_available", _FLAG, _CONNACK),
    0x26: _rule("user_properties", _PAIR, _ANYWHERE, repeats_in=_ANYWHERE),
    0x27: _rule("maximum_packet_size_bytes", _UINT32_NOT_ZERO, _CONNECT_CONNACK),
    0x28: _rule("wildcard_subscription_available", _FLAG, _CONNACK),
    0x29: _rule("subscription_identifiers_available", _FLAG, _CONNACK),
    0x2A: _rule("shared_subscription_available", _FLAG, _CONNACK),
}

_LISTS = frozenset({"subscription_identifiers", "user_properties"})


def decode_properties(cursor: FieldReader, place: PropertyPlace) -> Properties:
    """Read the property length and the properties that follow it.

    Raises MqttProtocolError for a property that is unknown, not allowed here, given twice, or whose value is
    invalid.
    """
    length = cursor.variable_integer()
    if not length:
        return NO_PROPERTIES
    section = FieldReader(cursor.take(length))
    found: dict[str, Any] = {}
    while section.remaining:
        identifier = section.variable_integer()
        rule = _RULES.get(identifier)
        if rule is None or place not in rule.places:
            raise protocol_error(f"Property 0x{identifier:02x} is not allowed in {place.value}.")
        value = rule.kind.read(section)
        _check(rule, value)
        if rule.field in found and place not in rule.repeats_in:
            raise protocol_error(f"Property {rule.field} is given twice in {place.value}.")
        if rule.field in _LISTS:
            found.setdefault(rule.field, []).append(value)
        else:
            found[rule.field] = value
    for field in _LISTS & found.keys():
        found[field] = tuple(found[field])
    return Properties(**found)


def encode_properties(properties: Properties, place: PropertyPlace) -> bytes:
    """Encode the property length and the properties, in the order of their identifiers."""
    if properties is NO_PROPERTIES or properties == NO_PROPERTIES:
        return b"\0"
    section = bytearray()
    for identifier, rule in _RULES.items():
        value = getattr(properties, rule.field)
        if value is None:
            continue
        for each in value if rule.field in _LISTS else (value,):
            if place not in rule.places:
                raise protocol_error(f"Property {rule.field} is not allowed in {place.value}.")
            _check(rule, each)
            section.append(identifier)
            section += rule.kind.write(each)
    return encode_variable_integer(len(section)) + bytes(section)


def _check(rule: _Rule, value: Any) -> None:
    if not isinstance(value, int):
        return
    highest = rule.kind.highest
    if value < rule.kind.lowest or (highest is not None and value > highest):
        raise protocol_error(f"{value} is not a valid value of property {rule.field}.")
