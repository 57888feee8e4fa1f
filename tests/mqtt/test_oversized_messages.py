"""An oversized message: only its beginning is kept, and nothing after it is held up (P3, P4, P6)."""

from __future__ import annotations

import asyncio
import logging
import tracemalloc
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from endpoint_harness import (
    KIT,
    OTHER_KIT,
    PASSWORD,
    RAW,
    SERVER,
    FakeIntake,
    PacketClient,
    running,
)
from hypothesis import given
from hypothesis import strategies as st

from hortus.protocol.mqtt.packets import (
    MQTT_3_1_1,
    MQTT_5,
    Connect,
    Disconnect,
    MqttProtocolError,
    OversizedPublish,
    Packet,
    PacketReader,
    PacketTooLargeError,
    Pingreq,
    Properties,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    ReasonCode,
    Subscribe,
    Subscription,
    encode,
)
from waiting import PATIENCE_SECONDS, until

MIB = 1024 * 1024
MEDIA = f"kit/{KIT}/media"
LIMIT, HEAD = 1000, 100
SMALL: dict[str, Any] = {"max_packet_bytes": 10_000, "kept_head_bytes": HEAD}
LARGE = bytes(range(256)) * 4000


# The reader


def as_received(packet: Packet, level: int) -> Packet:
    if not isinstance(packet, Publish) or len(encode(packet, level)) <= LIMIT:
        return packet
    return OversizedPublish(
        publish=packet._replace(payload=packet.payload[:HEAD]), payload_bytes=len(packet.payload)
    )


def events(pieces: list[bytes], level: int) -> tuple[list[Packet], str]:
    """Return the packets that the reader produces from these pieces, and the final error."""
    reader = PacketReader(LIMIT, level, oversized_head_bytes=HEAD)
    packets: list[Packet] = []
    for piece in pieces:
        try:
            packets += reader.feed(piece)
        except MqttProtocolError as error:
            return packets + reader.packets_before_error, str(error)
        assert reader.buffered_bytes <= 128 * 1024 + LIMIT
    return packets, ""


def cut(stream: bytes, cuts: list[int]) -> list[bytes]:
    ends = sorted({cut % (len(stream) + 1) for cut in cuts} | {0, len(stream)})
    return [stream[start:end] for start, end in pairwise(ends)]


@st.composite
def streams(draw: st.DrawFn) -> tuple[int, list[Packet]]:
    level = draw(st.sampled_from([MQTT_3_1_1, MQTT_5]))
    packets: list[Packet] = []
    for number in range(1, draw(st.integers(1, 6)) + 1):
        size = draw(st.sampled_from([0, 50, 900, 1100, 5000, 200_000]))
        qos = draw(st.integers(0, 2))
        properties = Properties(content_type="x" * 600) if level == MQTT_5 and number % 2 else Properties()
        payload = LARGE[number : number + size]
        packets.append(Publish(RAW, payload, qos, number if qos else 0, properties=properties))
        if draw(st.booleans()):
            packets.append(Pingreq())
    return level, packets


@given(streams(), st.lists(st.integers(0, 1_000_000), max_size=12))
def test_however_the_bytes_are_cut_the_same_packets_come_out(
    case: tuple[int, list[Packet]], cuts: list[int]
) -> None:
    level, packets = case
    stream = b"".join(encode(packet, level) for packet in packets)
    assert events(cut(stream, cuts), level) == ([as_received(packet, level) for packet in packets], "")


def test_byte_by_byte_too() -> None:
    packets: list[Packet] = [Publish(MEDIA, LARGE[:3000], 1, 7), Publish(RAW, b"small", 2, 8)]
    stream = b"".join(encode(packet, MQTT_5) for packet in packets)
    pieces = [stream[at : at + 1] for at in range(len(stream))]
    assert events(pieces, MQTT_5) == ([as_received(packet, MQTT_5) for packet in packets], "")


WRONG = {
    "QoS 3": b"\x36\xff\xff\x07" + b"\0\x01a\0\x01" + bytes(131_066),
    "no topic": b"\x30\xff\xff\x07" + bytes(131_071),
    "a topic with a wildcard": b"\x30\xff\xff\x07" + b"\0\x01#" + bytes(131_068),
    "packet id 0": b"\x32\xff\xff\x07" + b"\0\x01a\0\0" + bytes(131_066),
    "properties without end": b"\x30\xff\xff\x0f" + b"\0\x01a\xff\xff\x0b" + b"\x26\0\x01a\0\x01b" * 37_000,
}


@pytest.mark.parametrize("name", WRONG)
@given(cuts=st.lists(st.integers(0, 300_000), max_size=8))
def test_a_malformed_packet_ends_the_connection_after_the_valid_ones(name: str, cuts: list[int]) -> None:
    good: list[Packet] = [Publish(RAW, b"good", 1, 1), Publish(MEDIA, LARGE, 1, 2)]
    stream = b"".join(encode(packet, MQTT_5) for packet in good) + WRONG[name]
    packets, error = events(cut(stream, cuts), MQTT_5)
    assert packets == [as_received(packet, MQTT_5) for packet in good]
    assert error.startswith("A PUBLISH of ")
    assert "is too large" in error


def test_a_reader_refuses_oversized_messages_unless_asked_to_keep_their_heads() -> None:
    with pytest.raises(PacketTooLargeError):
        PacketReader(LIMIT).feed(encode(Publish(RAW, bytes(2 * LIMIT)), MQTT_3_1_1))


# The endpoint


@pytest.mark.parametrize("level", [MQTT_3_1_1, MQTT_5])
async def test_a_message_that_is_too_large_is_set_aside_and_acknowledged(level: int) -> None:
    async with running(**SMALL) as setup:
        kit = await PacketClient.connected(setup, level=level)
        await kit.send(
            Publish(RAW, b"before", 1, 1),
            Publish(MEDIA, LARGE, 1, 2),
            Publish(MEDIA, LARGE, 2, 3),
            Publish(MEDIA, LARGE, 0),
            Publish(RAW, b"behind", 1, 4),
        )
        assert [await kit.next() for _ in range(4)] == [
            Puback(packet_id=1),
            Puback(packet_id=2),
            Pubrec(packet_id=3),
            Puback(packet_id=4),
        ]
        await kit.send(Pubrel(packet_id=3))
        assert await kit.next() == Pubcomp(packet_id=3)
        assert setup.intake.messages == [(RAW, b"before"), (RAW, b"behind")]
        assert setup.intake.heads == [(MEDIA, LARGE[:HEAD], len(LARGE))] * 3


async def test_it_is_acknowledged_when_it_is_settled_and_a_duplicate_meanwhile_counts_nothing() -> None:
    intake = FakeIntake(settles_at_once=False)
    async with running(intake=intake, **SMALL) as setup:
        kit = await PacketClient.connected(setup)
        for duplicate in (False, True):
            await kit.send(Publish(MEDIA, LARGE, 2, 1, duplicate=duplicate))
        await kit.send(Publish(RAW, b"behind", 1, 2))
        await until(lambda: intake.offered)
        assert len(intake.heads) == 1
        intake.settle_all()
        assert [await kit.next(), await kit.next()] == [Pubrec(packet_id=1), Puback(packet_id=2)]
        # Received but not released yet: the kit missed our answer and sends it once more.
        await kit.send(Publish(MEDIA, LARGE, 2, 1, duplicate=True))
        assert await kit.next() == Pubrec(packet_id=1)
        assert len(intake.heads) == 1
        assert setup.endpoint.unsettled_bytes == 0


async def test_no_subscriber_receives_part_of_a_message() -> None:
    async with running(**SMALL) as setup:
        subscriber = await PacketClient.connected(setup, SERVER)
        await subscriber.subscribe("#", qos=0)
        kit = await PacketClient.connected(setup)
        for topic in (MEDIA, f"kit/{KIT}/kit-rpc/response"):
            await kit.send(Publish(topic, LARGE, 1, 1))
            assert await kit.next() == Puback(packet_id=1)
        await kit.send(Publish(RAW, b"small", 1, 2))
        assert await subscriber.next_message() == Publish(RAW, b"small")
        assert [topic for topic, _, _ in setup.intake.heads] == [MEDIA, f"kit/{KIT}/kit-rpc/response"]


async def test_a_topic_that_is_not_the_kits_own_stays_forbidden() -> None:
    async with running(**SMALL) as setup:
        foreign = f"kit/{OTHER_KIT}/media"
        kit = await PacketClient.connected(setup)
        await kit.send(Publish(foreign, LARGE, 1, 1))
        assert await kit.next() == Puback(packet_id=1)
        assert setup.quarantine.kept == [(KIT, foreign, LARGE[:HEAD], "topic-not-allowed")]
        assert setup.quarantine.sizes == [len(LARGE)]
        modern = await PacketClient.connected(setup, level=MQTT_5)
        await modern.send(Publish(foreign, LARGE, 1, 1))
        assert await modern.next() == Puback(packet_id=1, reason_code=ReasonCode.NOT_AUTHORIZED)
        assert setup.refused == [(KIT, foreign, "topic-not-allowed")]
        assert setup.intake.heads == []


async def test_an_unauthenticated_client_cannot_send_a_large_message() -> None:
    async with running(**SMALL) as setup:
        message = encode(Publish(MEDIA, LARGE, 1, 1), MQTT_3_1_1)
        stranger = await PacketClient.open(setup)
        stranger.send_without_waiting(message)
        assert await stranger.is_closed()
        guesser = await PacketClient.open(setup)
        connect = Connect(client_id="", username=KIT, password=b"wrong")
        guesser.send_without_waiting(encode(connect, MQTT_3_1_1) + message)
        assert await guesser.is_closed()
        assert setup.intake.heads == setup.quarantine.kept == []


@pytest.mark.parametrize(("level", "goodbye"), [(MQTT_3_1_1, None), (MQTT_5, Disconnect(reason_code=0x95))])
async def test_any_other_packet_that_is_too_large_ends_the_connection_and_the_log_says_why(
    level: int, goodbye: Disconnect | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with running(**SMALL) as setup:
        kit = await PacketClient.connected(setup, level=level)
        subscriptions = tuple(Subscription(topic_filter=f"{'x' * 60}/{number}") for number in range(200))
        await kit.send(Subscribe(packet_id=1, subscriptions=subscriptions))
        assert await kit.next_or_end() == goodbye
        assert await kit.is_closed()
        assert "A SUBSCRIBE of " in caplog.text
        assert KIT in caplog.text


async def test_an_oversized_message_takes_no_slot_and_no_memory_and_others_are_served() -> None:
    async with running() as setup:
        camera, other = await PacketClient.connected(setup), await PacketClient.connected(setup)
        header = encode(Publish(MEDIA, bytes(100), 1, 1), MQTT_3_1_1)[2:-100]
        total = 256 * MIB - 1 - len(header)
        piece = bytes(MIB)
        await camera.send_bytes(b"\x32\xff\xff\xff\x7f" + header)
        received = setup.counters.bytes_received
        tracemalloc.start()
        try:
            for number in range(total // MIB):
                await camera.send_bytes(piece)
                if number % 64 == 0:
                    await other.send(Publish(RAW, b"reading", 1, 1))
                    assert await other.next() == Puback(packet_id=1)
            await camera.send_bytes(piece[: total % MIB])
            assert await camera.next() == Puback(packet_id=1)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert setup.counters.bytes_received > received + 255 * MIB
        assert most < 8 * MIB
        assert setup.endpoint._parts.uploads.granted_bytes == 0
        assert setup.intake.heads == [(MEDIA, bytes(4096), total)]


@pytest.mark.parametrize("qos", ["1", "2"])
async def test_mosquitto_pub_gets_its_answer(tmp_path: Path, qos: str) -> None:
    picture = tmp_path / "picture"
    with picture.open("wb") as file:
        file.truncate(70 * MIB)
    async with running() as setup:
        process = await asyncio.create_subprocess_exec(
            *("mosquitto_pub", "-h", "127.0.0.1", "-p", str(setup.port), "-u", KIT, "-P", PASSWORD.decode()),
            *("-q", qos, "-t", MEDIA, "-f", str(picture)),
        )
        assert await asyncio.wait_for(process.wait(), PATIENCE_SECONDS) == 0
        assert setup.intake.heads == [(MEDIA, bytes(4096), 70 * MIB)]
