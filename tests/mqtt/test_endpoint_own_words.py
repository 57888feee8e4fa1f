"""Kits with a will on a status topic of their own: what they say there is reported, and set aside nowhere."""

from __future__ import annotations

import pytest
from endpoint_harness import KIT, OTHER_KIT, RAW, SERVER, PacketClient, running

from hortus.protocol.mqtt.packets import (
    MQTT_3_1_1,
    MQTT_5,
    Disconnect,
    Puback,
    Publish,
    Pubrec,
    ReasonCode,
    Will,
)
from waiting import until

STATUS = f"kit/{KIT}/status"


def offline(topic: str = STATUS, payload: bytes = b"offline") -> Will:
    return Will(topic=topic, payload=payload, qos=1, retain=True)


@pytest.mark.parametrize("topic", [STATUS, f"kit/{KIT}/LWT", f"kit/{KIT}/tele/state"])
@pytest.mark.parametrize("level", [MQTT_3_1_1, MQTT_5])
async def test_the_will_and_the_greeting_of_a_kit_are_reported_and_not_set_aside(
    level: int, topic: str
) -> None:
    async with running() as setup:
        for _ in range(2):
            kit = await PacketClient.connected(setup, level=level, will=offline(topic))
            await kit.send(Publish(topic, b"online", 1, 1, True), Publish(topic, b"still here", 2, 2))
            assert [await kit.next(), await kit.next()] == [Puback(packet_id=1), Pubrec(packet_id=2)]
            await kit.close()
            await until(lambda: setup.counters.connections == 0)
        assert setup.own_words == [(KIT, "online"), (KIT, "still here"), (KIT, "offline")] * 2
        assert (setup.quarantine.kept, setup.refused, setup.intake.messages) == ([], [], [])


async def test_a_kit_that_says_goodbye_has_not_said_that_it_is_offline() -> None:
    async with running() as setup:
        kit = await PacketClient.connected(setup, will=offline())
        await kit.send(Disconnect())
        assert await kit.is_closed()
        assert setup.own_words == []


@pytest.mark.parametrize("payload", [b"x" * 201, b"\xff\x00", b"two\nlines", bytes(5)])
async def test_what_is_no_short_text_is_set_aside_as_before(payload: bytes) -> None:
    async with running() as setup:
        kit = await PacketClient.connected(setup, will=offline(payload=payload))
        await kit.send(Publish(STATUS, payload, 1, 1))
        assert await kit.next() == Puback(packet_id=1)
        await kit.close()
        await until(lambda: len(setup.quarantine.kept) == 2)
        assert setup.quarantine.kept == [(KIT, STATUS, payload, "topic-outside-contract")] * 2
        assert setup.own_words == []


async def test_an_empty_text_clears_a_retained_one_and_says_nothing() -> None:
    async with running() as setup:
        kit = await PacketClient.connected(setup, will=offline())
        await kit.send(Publish(STATUS, b"", 1, 1, True))
        assert await kit.next() == Puback(packet_id=1)
        assert (setup.own_words, setup.quarantine.kept) == ([], [])


async def test_without_a_will_on_it_a_topic_outside_the_kit_protocol_is_none_of_the_kits() -> None:
    async with running() as setup:
        for will in (None, offline(f"kit/{KIT}/other"), offline(RAW)):
            kit = await PacketClient.connected(setup, level=MQTT_5, will=will)
            await kit.send(Publish(STATUS, b"online", 1, 1))
            assert await kit.next() == Puback(packet_id=1, reason_code=ReasonCode.NOT_AUTHORIZED)
        assert setup.own_words == []


@pytest.mark.parametrize(
    "topic", [f"kit/{OTHER_KIT}/status", "status", f"kit/{KIT}", f"kit/{KIT}/kit-rpc/request"]
)
async def test_a_kit_speaks_about_itself_only_and_on_no_topic_of_the_kit_protocol(topic: str) -> None:
    async with running() as setup:
        kit = await PacketClient.connected(setup, will=offline(topic))
        await kit.send(Publish(topic, b"online", 1, 1))
        assert await kit.next() == Puback(packet_id=1)
        await kit.close()
        await until(lambda: len(setup.quarantine.kept) == 2)
        assert setup.own_words == []


async def test_the_will_of_a_server_account_is_delivered_as_ever() -> None:
    async with running() as setup:
        watcher = await PacketClient.connected(setup, SERVER)
        await watcher.subscribe("kit/+/status", qos=0)
        server = await PacketClient.connected(setup, SERVER, will=offline())
        await server.close()
        assert (await watcher.next_message()).payload == b"offline"
        assert setup.own_words == []
