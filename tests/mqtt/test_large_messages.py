"""A large message is collected once, however it is split, and the bytes after it are not lost."""

from __future__ import annotations

import os
import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hortus.protocol.mqtt.packets import (
    MQTT_3_1_1,
    MQTT_5,
    MqttProtocolError,
    Packet,
    PacketReader,
    Pingreq,
    Properties,
    Publish,
    encode,
)

LARGE = os.urandom(300_000)
STREAM: list[Packet] = [
    Publish("kit/k-one/media", LARGE, 1, 7),
    Publish("kit/k-one/measurement/raw", b"small", 1, 8),
    Publish("kit/k-one/media", LARGE[:70_000], 0, 0),
    Publish("kit/k-one/media", LARGE[:65_530], 2, 9),
    Pingreq(),
]


def fed(pieces: list[bytes], level: int) -> list[Packet]:
    reader = PacketReader(1_000_000, level)
    packets: list[Packet] = []
    for piece in pieces:
        packets += reader.feed(piece)
    assert reader.buffered_bytes == 0
    return packets


@pytest.mark.parametrize("level", [MQTT_3_1_1, MQTT_5])
@given(cuts=st.lists(st.integers(0, 500_000), max_size=12))
def test_large_messages_are_the_same_however_they_are_cut(level: int, cuts: list[int]) -> None:
    stream = b"".join(encode(packet, level) for packet in STREAM)
    ends = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    pieces = [stream[start:end] for start, end in pairwise(ends)]
    assert fed(pieces, level) == STREAM


def test_a_message_with_properties_that_comes_byte_by_byte_at_first() -> None:
    packet = Publish(
        "kit/k-one/media",
        LARGE,
        1,
        7,
        properties=Properties(content_type="image/png", response_topic="x" * 300),
    )
    stream = encode(packet, MQTT_5)
    pieces = [stream[at : at + 1] for at in range(1000)] + [stream[1000:]]
    assert fed(pieces, MQTT_5) == [packet]


def test_a_fault_after_a_large_message_does_not_lose_that_message() -> None:
    stream = encode(STREAM[0], MQTT_3_1_1) + b"\x00\x00"
    reader = PacketReader(1_000_000)
    reader.feed(stream[:1000])
    with pytest.raises(MqttProtocolError):
        reader.feed(stream[1000:])
    assert reader.packets_before_error == [STREAM[0]]


def test_a_large_message_is_held_about_once() -> None:
    content = os.urandom(16_000_000)
    stream = encode(Publish("kit/k-one/media", content, 1, 7), MQTT_3_1_1)
    reader = PacketReader(20_000_000)
    tracemalloc.start()
    try:
        packets: list[Packet] = []
        for at in range(0, len(stream), 65_536):
            packets += reader.feed(stream[at : at + 65_536])
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    (publish,) = packets
    assert isinstance(publish, Publish)
    assert publish.payload == content
    assert most < 1.3 * len(content)
