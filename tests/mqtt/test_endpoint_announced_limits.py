"""What CONNACK announces to MQTT 5 clients is enforced, with its reason; what it does not deny is there.

The receive maximum: test_endpoint_packet_ids.py. The maximum packet size of messages, whose beginning is kept:
test_oversized_messages.py.
"""

from __future__ import annotations

from typing import Any

import pytest
from endpoint_harness import KIT, RAW, SERVER, PacketClient, running

from hortus.protocol.mqtt.packets import (
    MQTT_5,
    Disconnect,
    Packet,
    Properties,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    ReasonCode,
    Suback,
    Subscribe,
    Subscription,
    Unsubscribe,
)
from waiting import until


def kept_for(seconds: int) -> Properties:
    return Properties(session_expiry_interval_seconds=seconds)


@pytest.mark.parametrize("keep_alive_seconds", [0, 3600])
async def test_the_keep_alive_of_the_server_is_imposed(keep_alive_seconds: int) -> None:
    async with running(max_keep_alive_seconds=1) as setup:
        client = await PacketClient.open(setup, MQTT_5)
        answer = await client.connect(keep_alive_seconds=keep_alive_seconds)
        assert answer.properties.server_keep_alive_seconds == 1
        assert await client.next() == Disconnect(reason_code=ReasonCode.KEEP_ALIVE_TIMEOUT)


@pytest.mark.parametrize("asked_when", ["connecting", "leaving"])
async def test_a_session_is_kept_no_longer_than_announced(asked_when: str) -> None:
    async with running(max_session_expiry_seconds=1) as setup:
        client = await PacketClient.open(setup, MQTT_5)
        wanted = kept_for(3600 if asked_when == "connecting" else 1)
        answer = await client.connect(SERVER, client_id="s", properties=wanted)
        if asked_when == "connecting":
            assert answer.properties.session_expiry_interval_seconds == 1
        await client.subscribe("news")
        await client.send(Disconnect(properties=kept_for(3600)))
        assert await client.is_closed()
        await until(lambda: setup.endpoint.publish("news", b"x") == 0)


@pytest.mark.parametrize(
    "packet",
    [
        Subscribe(packet_id=1, subscriptions=(Subscription(topic_filter="x" * 2000),)),
        Unsubscribe(packet_id=1, topic_filters=("x" * 2000,)),
        Disconnect(properties=Properties(reason_string="x" * 2000)),
    ],
)
async def test_a_packet_larger_than_announced_ends_the_connection(packet: Packet) -> None:
    async with running(max_packet_bytes=1000) as setup:
        client = await PacketClient.open(setup, MQTT_5)
        answer = await client.connect()
        assert answer.properties.maximum_packet_size_bytes == 1000
        await client.send(packet)
        assert await client.next() == Disconnect(reason_code=ReasonCode.PACKET_TOO_LARGE)
        assert await client.is_closed()


@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_topic_aliases_were_not_announced_and_end_the_connection(qos: int) -> None:
    async with running() as setup:
        kit = await PacketClient.open(setup, MQTT_5)
        answer = await kit.connect()
        assert answer.properties.topic_alias_maximum is None
        await kit.send(Publish(RAW, b"x", qos, 1 if qos else 0, properties=Properties(topic_alias=1)))
        assert await kit.next() == Disconnect(reason_code=ReasonCode.TOPIC_ALIAS_INVALID)
        assert setup.intake.messages == []


async def test_what_connack_does_not_deny_is_there() -> None:
    async with running() as setup:
        client = await PacketClient.open(setup, MQTT_5)
        properties = (await client.connect(SERVER)).properties
        denials: list[Any] = [
            properties.maximum_qos,
            properties.retain_available,
            properties.wildcard_subscription_available,
            properties.shared_subscription_available,
            properties.subscription_identifiers_available,
        ]
        assert denials == [None] * 5
        await client.send(Publish("note/1", b"x", 2, 1, True))
        assert await client.next() == Pubrec(packet_id=1)
        await client.send(Pubrel(packet_id=1))
        assert await client.next() == Pubcomp(packet_id=1)
        subscription = Subscription(topic_filter="note/+", qos=2)
        identified = Properties(subscription_identifiers=(7,))
        await client.send(Subscribe(packet_id=2, subscriptions=(subscription,), properties=identified))
        assert await client.next() == Suback(packet_id=2, reason_codes=(2,))
        assert await client.next() == Publish("note/1", b"x", 2, 1, True, properties=identified)
        assert await client.subscribe("$share/group/note/#", qos=1) == (1,)


async def test_kits_are_denied_wildcards_per_subscription() -> None:
    async with running() as setup:
        kit = await PacketClient.connected(setup, level=MQTT_5)
        filters = (f"kit/{KIT}/+/request", f"$share/group/kit/{KIT}/kit-rpc/request")
        assert await kit.subscribe(*filters) == (ReasonCode.NOT_AUTHORIZED,) * 2
