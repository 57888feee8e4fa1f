"""Many clients act at random; the endpoint's bookkeeping stays consistent."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable

import pytest
import uvloop
from endpoint_harness import KIT, OTHER_KIT, RAW, SERVER, FakeIntake, PacketClient, Setup, running

from hortus.protocol.mqtt.packets import (
    MQTT_3_1,
    MQTT_3_1_1,
    MQTT_5,
    Disconnect,
    MqttProtocolError,
    Packet,
    Pingreq,
    Properties,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Subscribe,
    Subscription,
    Unsubscribe,
    Will,
    encode,
)
from waiting import until

TOPICS = [
    RAW,
    f"kit/{OTHER_KIT}/measurement/raw",
    f"kit/{KIT}/server-rpc/request",
    "news/a",
    "news/b",
    f"kit/{KIT}/media",
]
FILTERS = ["#", "news/+", "kit/+/measurement/raw", "$share/g/#", f"kit/{KIT}/server-rpc/response", "bad/#/x"]
MESSAGE_PROPERTIES = [
    Properties(),
    Properties(message_expiry_interval_seconds=0, user_properties=(("a", "b"), ("a", "c"))),
    Properties(content_type="text/plain", correlation_data=b"1", response_topic="news/a"),
]


def any_packet(source: random.Random) -> Packet:
    packet_id = source.randrange(1, 6)
    qos = source.randrange(3)
    payload = bytes(source.choice([0, 1, 100, 60_000]))
    duplicate = bool(qos and source.random() < 0.5)
    message = Publish(
        source.choice(TOPICS),
        payload,
        qos,
        packet_id if qos else 0,
        source.random() < 0.2,
        duplicate,
        source.choice(MESSAGE_PROPERTIES),
    )
    subscription = Subscription(topic_filter=source.choice(FILTERS), qos=qos)
    others: list[Packet] = [
        Puback(packet_id=packet_id),
        Pubrec(packet_id=packet_id),
        Pubrel(packet_id=packet_id),
        Pubcomp(packet_id=packet_id),
        Subscribe(packet_id=packet_id, subscriptions=(subscription,)),
        Unsubscribe(packet_id=packet_id, topic_filters=(source.choice(FILTERS),)),
        Pingreq(),
        Disconnect(reason_code=source.choice([0, 4, 0x80])),
    ]
    return message if source.random() < 0.6 else source.choice(others)


def any_will(source: random.Random) -> Will:
    delay = Properties(will_delay_interval_seconds=source.choice([None, 0, 1, 60]), content_type="text/plain")
    return Will(
        topic=source.choice(TOPICS),
        payload=b"gone",
        qos=source.randrange(3),
        retain=source.random() < 0.2,
        properties=delay,
    )


async def one_client(setup: Setup, source: random.Random) -> None:
    level = source.choice([MQTT_3_1, MQTT_3_1_1, MQTT_5])
    client = await PacketClient.open(setup, level)
    will = any_will(source) if source.random() < 0.5 else None
    with contextlib.suppress(ConnectionError, AssertionError, MqttProtocolError):
        await client.connect(
            source.choice([KIT, OTHER_KIT, SERVER]),
            client_id=source.choice(["a", "b", "c"]),
            clean_start=source.random() < 0.5,
            will=will,
            properties=Properties(
                session_expiry_interval_seconds=source.choice([None, 0, 60]),
                receive_maximum=source.choice([None, 1, 2]),
                maximum_packet_size_bytes=source.choice([None, 100, 100_000]),
            ),
        )
        for _ in range(source.randrange(20)):
            data = encode(any_packet(source), level)
            if source.random() < 0.03:
                data = source.randbytes(50)
            cut = source.randrange(len(data) + 1)
            await client.send_bytes(data[:cut])
            await asyncio.sleep(0)
            await client.send_bytes(data[cut:])
    if source.random() < 0.7:
        await client.close()


async def settle_now_and_then(intake: FakeIntake, setup: Setup, source: random.Random) -> None:
    while True:
        await asyncio.sleep(0.001)
        intake.saturated = source.random() < 0.3
        if source.random() < 0.05:
            setup.endpoint.disconnect_kit(KIT)
        intake.settle_all()
        if source.random() < 0.5:
            intake.relieve()


# `hortus up` runs on uvloop, whose transports differ slightly from those of asyncio.
@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("seed", range(6))
def test_after_a_storm_nothing_is_left_behind_and_the_endpoint_serves(
    new_loop: Callable[[], asyncio.AbstractEventLoop], seed: int
) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(storm(seed))


async def storm(seed: int) -> None:
    source = random.Random(seed)
    intake = FakeIntake(settles_at_once=False)
    async with running(
        intake=intake,
        max_unsettled_messages=5,
        max_inflight_messages=3,
        max_queued_messages=10,
        max_total_unsettled_bytes=300_000,
        max_upload_bytes=100_000,
        max_takeover_pause_seconds=0.01,
    ) as setup:
        settling = asyncio.create_task(settle_now_and_then(intake, setup, source))
        for _ in range(12):
            await asyncio.gather(*(one_client(setup, source) for _ in range(10)))
        settling.cancel()
        for client in setup.clients:
            await client.close()
        intake.relieve()

        def is_quiet() -> bool:
            intake.relieve()
            intake.settle_all()
            return setup.counters.connections == 0 and setup.endpoint.unsettled_messages == 0

        await until(is_quiet)
        parts = setup.endpoint._parts
        assert (setup.endpoint.unsettled_bytes, parts.uploads.granted_bytes) == (0, 0)
        assert parts.gate._publishers == set()
        for session in list(parts.broker._sessions._sessions.values()):
            parts.broker.end(session)
        assert parts.broker._allowance.used_bytes == 0
        assert not any(parts.broker._router.audience(topic) for topic in TOPICS)
        # A delayed will whose session has just ended is offered to the intake.
        await until(is_quiet)
        assert setup.counters.internal_errors == 0
        intake.settles_at_once = True
        kit = await PacketClient.connected(setup)
        await kit.send(Publish(RAW, b"x", 1, 1))
        assert await kit.next() == Puback(packet_id=1)
