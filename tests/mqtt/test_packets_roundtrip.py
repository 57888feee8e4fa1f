"""Packets: round trips are lossless at any split, and any bytes give packets or our error."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hortus.protocol.mqtt.packets import (
    MQTT_3_1,
    MQTT_3_1_1,
    MQTT_5,
    NO_PROPERTIES,
    Connack,
    Connect,
    Disconnect,
    MqttProtocolError,
    PacketReader,
    Pingreq,
    Pingresp,
    Properties,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Subscription,
    Unsuback,
    Unsubscribe,
    Will,
    encode,
    encode_puback,
    encode_pubcomp,
    encode_pubrec,
    encode_pubrel,
)

LEVELS = st.sampled_from([MQTT_3_1, MQTT_3_1_1, MQTT_5])
LIMIT = 1 << 20

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
topics = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0+#"), min_size=1, max_size=40)
payloads = st.binary(max_size=300)
packet_ids = st.integers(1, 65535)
flags = st.integers(0, 1)
uint16 = st.integers(0, 65535)
uint32 = st.integers(0, 2**32 - 1)
user_properties = st.lists(st.tuples(texts, texts), max_size=3).map(tuple)


def properties(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Properties]:
    optional = {name: st.none() | values for name, values in fields.items()}
    return st.builds(Properties, user_properties=user_properties, **optional)


answer_properties = properties(reason_string=texts)
publish_properties = st.builds(
    Properties,
    user_properties=user_properties,
    subscription_identifiers=st.lists(st.integers(1, 268_435_455), max_size=3).map(tuple),
    payload_format_indicator=st.none() | flags,
    message_expiry_interval_seconds=st.none() | uint32,
    content_type=st.none() | texts,
    response_topic=st.none() | texts,
    correlation_data=st.none() | payloads,
    topic_alias=st.none() | st.integers(1, 65535),
)
will_properties = properties(
    will_delay_interval_seconds=uint32, payload_format_indicator=flags, content_type=texts
)
connect_properties = properties(
    session_expiry_interval_seconds=uint32,
    receive_maximum=st.integers(1, 65535),
    maximum_packet_size_bytes=st.integers(1, 2**32 - 1),
    topic_alias_maximum=uint16,
    request_problem_information=flags,
    request_response_information=flags,
    authentication_method=texts,
)
connack_properties = properties(
    assigned_client_identifier=texts,
    server_keep_alive_seconds=uint16,
    maximum_qos=flags,
    retain_available=flags,
    wildcard_subscription_available=flags,
    subscription_identifiers_available=flags,
    shared_subscription_available=flags,
    response_information=texts,
    server_reference=texts,
    reason_string=texts,
)
disconnect_properties = properties(
    session_expiry_interval_seconds=uint32, server_reference=texts, reason_string=texts
)

wills = st.builds(
    Will,
    topic=topics,
    payload=payloads,
    qos=st.integers(0, 2),
    retain=st.booleans(),
    properties=will_properties,
)
reason_codes = st.integers(0, 255)


@st.composite
def connects(draw: st.DrawFn, level: int) -> Connect:
    username = draw(st.none() | texts)
    return Connect(
        client_id=draw(texts),
        protocol_level=level,
        clean_start=draw(st.booleans()),
        keep_alive_seconds=draw(uint16),
        username=username,
        password=draw(st.none() | payloads) if username is not None or level == MQTT_5 else None,
        will=draw(st.none() | wills),
        properties=draw(connect_properties),
    )


@st.composite
def publishes(draw: st.DrawFn) -> Publish:
    qos = draw(st.integers(0, 2))
    return Publish(
        topic=draw(topics),
        payload=draw(payloads),
        qos=qos,
        packet_id=draw(packet_ids) if qos else 0,
        retain=draw(st.booleans()),
        duplicate=draw(st.booleans()) if qos else False,
        properties=draw(publish_properties),
    )


subscriptions = st.builds(
    Subscription,
    topic_filter=topics.filter(lambda text: not text.startswith("$share/")),
    qos=st.integers(0, 2),
    no_local=st.booleans(),
    retain_as_published=st.booleans(),
    retain_handling=st.integers(0, 2),
)


def any_packet(level: int) -> st.SearchStrategy[Any]:
    acknowledgements = [
        st.builds(make, packet_id=packet_ids, reason_code=reason_codes, properties=answer_properties)
        for make in (Puback, Pubrec, Pubrel, Pubcomp)
    ]
    codes = st.lists(reason_codes, min_size=1, max_size=5).map(tuple)
    return st.one_of(
        connects(level),
        publishes(),
        *acknowledgements,
        st.builds(
            Connack, reason_code=reason_codes, session_present=st.booleans(), properties=connack_properties
        ),
        st.builds(
            Subscribe,
            packet_id=packet_ids,
            subscriptions=st.lists(subscriptions, min_size=1, max_size=4).map(tuple),
            properties=properties(),
        ),
        st.builds(Suback, packet_id=packet_ids, reason_codes=codes, properties=answer_properties),
        st.builds(
            Unsubscribe,
            packet_id=packet_ids,
            topic_filters=st.lists(topics, min_size=1, max_size=4).map(tuple),
            properties=properties(),
        ),
        st.builds(Unsuback, packet_id=packet_ids, reason_codes=codes, properties=answer_properties),
        st.just(Pingreq()),
        st.just(Pingresp()),
        st.builds(Disconnect, reason_code=reason_codes, properties=disconnect_properties),
    )


def as_on_the_wire(packet: Any, level: int) -> Any:
    """Return what remains of a packet at a level that does not have all of its fields."""
    if level == MQTT_5 or isinstance(packet, Pingreq | Pingresp):
        return packet
    if isinstance(packet, Publish):
        return packet._replace(properties=NO_PROPERTIES)
    packet = dataclasses.replace(packet, properties=NO_PROPERTIES)
    if isinstance(packet, Connect) and packet.will is not None:
        return dataclasses.replace(packet, will=dataclasses.replace(packet.will, properties=NO_PROPERTIES))
    if isinstance(packet, Puback | Pubrec | Pubrel | Pubcomp | Disconnect):
        return dataclasses.replace(packet, reason_code=0)
    if isinstance(packet, Unsuback):
        return dataclasses.replace(packet, reason_codes=())
    if isinstance(packet, Subscribe):
        plain = tuple(Subscription(topic_filter=s.topic_filter, qos=s.qos) for s in packet.subscriptions)
        return dataclasses.replace(packet, subscriptions=plain)
    return packet


levels_and_packets = LEVELS.flatmap(
    lambda level: st.tuples(st.just(level), st.lists(any_packet(level), min_size=1, max_size=5))
)


def read_all(reader: PacketReader, pieces: list[bytes]) -> list[Any]:
    packets = []
    for piece in pieces:
        packets += reader.feed(piece)
        while more := reader.feed(b""):
            packets += more
    return packets


@given(levels_and_packets)
@settings(max_examples=300)
def test_decoding_inverts_encoding(case: tuple[int, list[Any]]) -> None:
    level, packets = case
    stream = b"".join(encode(packet, level) for packet in packets)
    reader = PacketReader(LIMIT, level)
    assert read_all(reader, [stream]) == [as_on_the_wire(packet, level) for packet in packets]
    assert reader.buffered_bytes == 0


@given(levels_and_packets, st.integers(1, 7))
@settings(max_examples=100)
def test_packets_are_the_same_in_pieces_of_any_size(case: tuple[int, list[Any]], size: int) -> None:
    level, packets = case
    stream = b"".join(encode(packet, level) for packet in packets)
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    expected = [as_on_the_wire(packet, level) for packet in packets]
    assert read_all(PacketReader(LIMIT, level), pieces) == expected


@given(levels_and_packets)
@settings(max_examples=30)
def test_packets_are_the_same_when_cut_in_two_at_every_byte(case: tuple[int, list[Any]]) -> None:
    level, packets = case
    stream = b"".join(encode(packet, level) for packet in packets)
    expected = [as_on_the_wire(packet, level) for packet in packets]
    for cut in range(len(stream) + 1):
        assert read_all(PacketReader(LIMIT, level), [stream[:cut], stream[cut:]]) == expected


@given(LEVELS, st.binary(max_size=200))
@settings(max_examples=500)
def test_any_bytes_give_packets_or_a_protocol_error(level: int, data: bytes) -> None:
    with contextlib.suppress(MqttProtocolError):
        read_all(PacketReader(1000, level), [data])


@given(levels_and_packets, st.data())
@settings(max_examples=500)
def test_damaged_packets_give_packets_or_a_protocol_error(
    case: tuple[int, list[Any]], data: st.DataObject
) -> None:
    level, packets = case
    stream = bytearray(b"".join(encode(packet, level) for packet in packets))
    for _ in range(data.draw(st.integers(1, 3))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(MqttProtocolError):
        read_all(PacketReader(LIMIT, level), [bytes(stream)])


@pytest.mark.parametrize("level", [MQTT_3_1, MQTT_3_1_1, MQTT_5])
def test_the_short_forms_equal_the_packets_of_success(level: int) -> None:
    for short, make in (
        (encode_puback, Puback),
        (encode_pubrec, Pubrec),
        (encode_pubrel, Pubrel),
        (encode_pubcomp, Pubcomp),
    ):
        assert short(513) == encode(make(packet_id=513), level)
