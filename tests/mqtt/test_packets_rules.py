"""Packets: test vectors, and violations of MQTT."""

from __future__ import annotations

import tracemalloc

import pytest

from hortus.protocol.mqtt.packets import (
    MQTT_3_1,
    MQTT_3_1_1,
    MQTT_5,
    Connack,
    Connect,
    MqttProtocolError,
    PacketReader,
    PacketTooLargeError,
    Pingreq,
    Properties,
    ProtocolVersionError,
    Publish,
    ReasonCode,
    Suback,
    connect_return_code,
    encode,
    explain_reason,
)


def read(data: bytes, level: int = MQTT_3_1_1, limit: int = 1 << 20) -> list[object]:
    return list(PacketReader(limit, level).feed(data))


def test_the_connect_of_the_kit_is_understood() -> None:
    # Variable header as observed from kit 1.0.0b8.
    body = bytes.fromhex("00044d51545404c2003c0000") + b"\0\x05k-one" + b"\0\x06secret"
    assert read(bytes((0x10, len(body))) + body) == [
        Connect(client_id="", keep_alive_seconds=60, username="k-one", password=b"secret")
    ]


def test_packets_of_the_specification_have_these_bytes() -> None:
    assert encode(Publish("a/b", b"hi", 1, 10), MQTT_3_1_1) == bytes.fromhex("32090003612f62000a6869")
    assert encode(Publish("a/b", b"hi", 1, 10), MQTT_5) == bytes.fromhex("320a0003612f62000a006869")
    assert encode(Suback(packet_id=10, reason_codes=(1, 0x80)), MQTT_3_1_1) == bytes.fromhex("9004000a0180")
    assert encode(Connack(session_present=True), MQTT_3_1_1) == bytes.fromhex("20020100")
    assert encode(Connack(properties=Properties(receive_maximum=20)), MQTT_5) == bytes.fromhex(
        "2006000003210014"
    )
    assert encode(Connect(client_id="x", protocol_level=MQTT_3_1), MQTT_3_1) == bytes.fromhex(
        "100f00064d514973647003 02003c000178".replace(" ", "")
    )


MALFORMED = {
    "publish with QoS 3": (MQTT_3_1_1, "36050001610001", ReasonCode.MALFORMED_PACKET),
    "duplicate at QoS 0": (MQTT_3_1_1, "3803000161", ReasonCode.MALFORMED_PACKET),
    "packet id 0": (MQTT_3_1_1, "32050001610000", ReasonCode.PROTOCOL_ERROR),
    "topic longer than the packet": (MQTT_3_1_1, "3003000561", ReasonCode.MALFORMED_PACKET),
    "publish without a topic length": (MQTT_3_1_1, "300100", ReasonCode.MALFORMED_PACKET),
    "publish without a packet id": (MQTT_3_1_1, "320400016100", ReasonCode.MALFORMED_PACKET),
    "publish without a topic": (MQTT_3_1_1, "30020000", ReasonCode.TOPIC_NAME_INVALID),
    "topic with +": (MQTT_3_1_1, "300500032b2f61", ReasonCode.TOPIC_NAME_INVALID),
    "topic with #": (MQTT_3_1_1, "3003000123", ReasonCode.TOPIC_NAME_INVALID),
    "topic with U+0000": (MQTT_3_1_1, "3003000100", ReasonCode.MALFORMED_PACKET),
    "topic not UTF-8": (MQTT_3_1_1, "30030001ff", ReasonCode.MALFORMED_PACKET),
    "topic with a surrogate": (MQTT_3_1_1, "30050003eda080", ReasonCode.MALFORMED_PACKET),
    "publish 5 without properties": (MQTT_5, "3003000161", ReasonCode.MALFORMED_PACKET),
    "property of another packet": (MQTT_5, "3006000161022401", ReasonCode.PROTOCOL_ERROR),
    "unknown property": (MQTT_5, "3006000161027f01", ReasonCode.PROTOCOL_ERROR),
    "property twice": (MQTT_5, "30080001610401000100", ReasonCode.PROTOCOL_ERROR),
    "flag property of 2": (MQTT_5, "3006000161020102", ReasonCode.PROTOCOL_ERROR),
    "topic alias 0": (MQTT_5, "300700016103230000", ReasonCode.PROTOCOL_ERROR),
    "packet type 0": (MQTT_3_1_1, "0000", ReasonCode.MALFORMED_PACKET),
    "packet type 15 (AUTH)": (MQTT_5, "f000", ReasonCode.BAD_AUTHENTICATION_METHOD),
    "ping with a body": (MQTT_3_1_1, "c00100", ReasonCode.MALFORMED_PACKET),
    "ping with flags": (MQTT_3_1_1, "c100", ReasonCode.MALFORMED_PACKET),
    "puback with flags": (MQTT_3_1_1, "42020001", ReasonCode.MALFORMED_PACKET),
    "pubrel without flags": (MQTT_3_1_1, "60020001", ReasonCode.MALFORMED_PACKET),
    "puback with a reason in 3.1.1": (MQTT_3_1_1, "4003000100", ReasonCode.MALFORMED_PACKET),
    "subscribe without flags": (
        MQTT_3_1_1,
        "80060001000161 01".replace(" ", ""),
        ReasonCode.MALFORMED_PACKET,
    ),
    "subscribe without a filter": (MQTT_3_1_1, "82020001", ReasonCode.PROTOCOL_ERROR),
    "subscribe with QoS 3": (MQTT_3_1_1, "8206000100016103", ReasonCode.MALFORMED_PACKET),
    "subscribe with options in 3.1.1": (MQTT_3_1_1, "8206000100016105", ReasonCode.MALFORMED_PACKET),
    "subscribe with retain handling 3": (MQTT_5, "820700010000016130", ReasonCode.PROTOCOL_ERROR),
    "unsubscribe without a filter": (MQTT_3_1_1, "a2020001", ReasonCode.PROTOCOL_ERROR),
    "remaining length of five bytes": (MQTT_3_1_1, "30ffffffff01", ReasonCode.MALFORMED_PACKET),
    "remaining length not shortest": (MQTT_3_1_1, "c08000", ReasonCode.MALFORMED_PACKET),
    "connect with the reserved flag": (
        MQTT_3_1_1,
        "100c00044d5154540403003c0000",
        ReasonCode.MALFORMED_PACKET,
    ),
    "connect with will QoS and no will": (
        MQTT_3_1_1,
        "100c00044d515454040a003c0000",
        ReasonCode.MALFORMED_PACKET,
    ),
    "connect with password and no user": (
        MQTT_3_1_1,
        "100d00044d5154540442003c00000000",
        ReasonCode.MALFORMED_PACKET,
    ),
    "connect of another protocol": (
        MQTT_3_1_1,
        "100c0004485454500402003c0000",
        ReasonCode.UNSUPPORTED_PROTOCOL_VERSION,
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_violations_of_mqtt_are_refused_with_their_reason(name: str) -> None:
    level, hexadecimal, reason_code = MALFORMED[name]
    with pytest.raises(MqttProtocolError) as raised:
        read(bytes.fromhex(hexadecimal), level)
    assert raised.value.reason_code == reason_code


def test_an_unknown_protocol_level_is_told_apart_so_that_it_can_be_answered() -> None:
    with pytest.raises(ProtocolVersionError) as raised:
        read(bytes.fromhex("100c00044d5154540602003c0000"))
    assert raised.value.level == 6


def test_subscribe_of_3_1_may_be_a_duplicate() -> None:
    assert len(read(bytes.fromhex("8a06000100016101"), MQTT_3_1)) == 1


def test_packets_before_a_malformed_one_are_not_lost() -> None:
    good = encode(Publish("a", b"1"), MQTT_3_1_1)
    reader = PacketReader(1_000_000)
    with pytest.raises(MqttProtocolError):
        reader.feed(good + bytes.fromhex("0000"))
    assert reader.packets_before_error == [Publish("a", b"1")]


def test_the_reader_waits_behind_a_connect() -> None:
    reader = PacketReader(1000)
    connect = encode(Connect(client_id="x", protocol_level=MQTT_5), MQTT_5)
    publish = Publish("a", b"1", properties=Properties(content_type="text/plain"))
    assert reader.feed(connect + encode(publish, MQTT_5)) == [Connect(client_id="x", protocol_level=MQTT_5)]
    assert reader.feed(b"") == [publish]


def test_a_packet_too_large_is_refused_before_its_body_comes() -> None:
    reader = PacketReader(1000)
    with pytest.raises(PacketTooLargeError) as raised:
        reader.feed(b"\x30\xff\xff\x7f")
    assert raised.value.packet_bytes == 0x1FFFFF + 4
    assert str(raised.value) == "A PUBLISH of 2097155 bytes is too large; the limit is 1000 bytes."


@pytest.mark.parametrize("first", [kind << 4 for kind in range(16) if kind != 3])
def test_packets_other_than_publish_are_refused_above_the_limit(first: int) -> None:
    with pytest.raises(PacketTooLargeError):
        PacketReader(1000, oversized_head_bytes=100).feed(bytes((first, 0xFF, 0xFF, 0x7F)))


def test_a_packet_of_exactly_the_limit_is_accepted() -> None:
    packet = encode(Publish("a", b"x" * 500), MQTT_3_1_1)
    assert len(read(packet, limit=len(packet))) == 1
    with pytest.raises(PacketTooLargeError):
        read(packet, limit=len(packet) - 1)


def test_a_big_packet_in_many_pieces_costs_a_bounded_amount_of_memory() -> None:
    size = 4 << 20
    packet = encode(Publish("a", b"x" * size), MQTT_3_1_1)
    pieces = [packet[at : at + 1024] for at in range(0, len(packet), 1024)]
    reader = PacketReader(size + 100)
    tracemalloc.start()
    packets = [decoded for piece in pieces for decoded in reader.feed(piece)]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [len(decoded.payload) for decoded in packets if isinstance(decoded, Publish)] == [size]
    assert peak < 3 * size


def test_endless_new_topics_do_not_fill_memory() -> None:
    reader = PacketReader(1000)
    for number in range(10_000):
        reader.feed(encode(Publish(f"t/{number}", b""), MQTT_3_1_1))
    assert len(reader._topics) <= 4096


@pytest.mark.parametrize(
    "packet",
    [
        Publish("a/+", b""),
        Publish("", b""),
        Publish("a\0", b""),
        Publish("\ud800", b""),
        Publish("x" * 65_536, b""),
        Publish("a", b"", 1, 0),
        Publish("a", b"", 3, 1),
        Publish("a", b"", 0, 0, False, True),
        Publish("a", b"", properties=Properties(maximum_qos=1)),
        Connect(client_id="", password=b"alone"),
    ],
)
def test_what_mqtt_cannot_express_is_not_encoded(packet: Publish | Connect) -> None:
    with pytest.raises(MqttProtocolError):
        encode(packet, MQTT_5 if isinstance(packet, Publish) else MQTT_3_1_1)


def test_reasons_have_words_and_return_codes() -> None:
    assert explain_reason(0x87) == "not authorized (0x87)"
    assert explain_reason(0x55) == "unknown reason (0x55)"
    assert connect_return_code(ReasonCode.UNSUPPORTED_PROTOCOL_VERSION) == 1
    assert connect_return_code(ReasonCode.BAD_USER_NAME_OR_PASSWORD) == 5
    assert connect_return_code(ReasonCode.SERVER_BUSY) == 3


def test_pings_are_encoded_and_decoded() -> None:
    assert read(bytes.fromhex("c000")) == [Pingreq()]
