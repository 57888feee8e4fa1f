"""Kits keep to their own topics (P5); a message on a wrong topic affects no others (P4) and is kept (P3)."""

from __future__ import annotations

import pytest
from endpoint_harness import KIT, OTHER_KIT, RAW, SERVER, PacketClient, running

from hortus.protocol.mqtt.packets import (
    MQTT_3_1_1,
    MQTT_5,
    Connack,
    MqttProtocolError,
    Pingreq,
    Pingresp,
    Puback,
    Publish,
    Pubrec,
    ReasonCode,
    Will,
)
from waiting import until

WRONG_TOPICS = {
    f"kit/{OTHER_KIT}/measurement/raw": "topic-not-allowed",
    f"kit/{KIT}/server-rpc/response": "topic-not-allowed",
    f"kit/{KIT}/kit-rpc/request": "topic-not-allowed",
    f"kit/{KIT}/measurements/raw": "topic-outside-contract",
    f"kit/{KIT}": "topic-outside-contract",
    "something/else": "topic-outside-contract",
    "$SYS/uptime": "topic-outside-contract",
}


@pytest.mark.parametrize("topic", WRONG_TOPICS)
async def test_a_wrong_topic_is_set_aside_and_acknowledged_in_3_1_1(topic: str) -> None:
    async with running() as setup:
        kit = await PacketClient.connected(setup)
        await kit.send(Publish(topic, b"x", 1, 1), Publish(topic, b"y"), Publish(RAW, b"z", 1, 2))
        assert [await kit.next(), await kit.next()] == [Puback(packet_id=1), Puback(packet_id=2)]
        reason = WRONG_TOPICS[topic]
        assert setup.quarantine.kept == [(KIT, topic, b"x", reason), (KIT, topic, b"y", reason)]
        assert setup.intake.messages == [(RAW, b"z")]


@pytest.mark.parametrize("topic", WRONG_TOPICS)
async def test_a_wrong_topic_is_refused_in_mqtt_5(topic: str) -> None:
    async with running() as setup:
        kit = await PacketClient.connected(setup, level=MQTT_5)
        await kit.send(Publish(topic, b"x", 1, 1), Publish(topic, b"x", 2, 2), Publish(topic, b"y"), Pingreq())
        refused = ReasonCode.NOT_AUTHORIZED
        assert [await kit.next(), await kit.next(), await kit.next()] == [
            Puback(packet_id=1, reason_code=refused),
            Pubrec(packet_id=2, reason_code=refused),
            Pingresp(),
        ]
        # QoS 0 has no answer, so that message is kept.
        reason = WRONG_TOPICS[topic]
        assert setup.quarantine.kept == [(KIT, topic, b"y", reason)]
        assert setup.refused == [(KIT, topic, reason)] * 2


async def test_messages_on_wrong_topics_reach_no_subscriber() -> None:
    async with running() as setup:
        server = await PacketClient.connected(setup, SERVER)
        await server.subscribe("#")
        kit = await PacketClient.connected(setup)
        for topic in WRONG_TOPICS:
            await kit.send(Publish(topic, b"x"))
        await kit.send(Publish(RAW, b"good"))
        assert await server.next_message() == Publish(RAW, b"good")


async def test_a_kit_subscribes_to_its_own_answers_only() -> None:
    filters = (
        f"kit/{KIT}/server-rpc/response",
        f"kit/{KIT}/kit-rpc/request",
        f"kit/{KIT}/#",
        f"kit/{OTHER_KIT}/kit-rpc/request",
        "#",
        "bad/#/filter",
    )
    async with running() as setup:
        kit = await PacketClient.connected(setup)
        assert await kit.subscribe(*filters, qos=1) == (1, 1, 0x80, 0x80, 0x80, 0x80)
        kit = await PacketClient.connected(setup, level=MQTT_5)
        assert await kit.subscribe(*filters, qos=1) == (1, 1, 0x87, 0x87, 0x87, 0x8F)


async def test_the_boot_question_of_a_kit_is_answered_in_this_process() -> None:
    async with running() as setup:
        response = f"kit/{KIT}/server-rpc/response"

        def answer(topic: str, payload: bytes) -> None:
            assert setup.endpoint.publish(topic.replace("request", "response"), b"answer to " + payload) == 1

        setup.endpoint.subscribe_local("kit/+/server-rpc/request", answer)
        kit = await PacketClient.connected(setup)
        assert await kit.subscribe(response, qos=1) == (1,)
        await kit.send(Publish(f"kit/{KIT}/server-rpc/request", b"question", 1, 1))
        assert await kit.next() == Publish(response, b"answer to question", 1, 1)
        assert await kit.next() == Puback(packet_id=1)
        await kit.send(Puback(packet_id=1))


async def test_a_failing_local_subscriber_affects_no_others() -> None:
    async with running() as setup:
        seen: list[bytes] = []

        def fail(_topic: str, _payload: bytes) -> None:
            raise ValueError("a mistake")

        setup.endpoint.subscribe_local("#", fail)
        unsubscribe = setup.endpoint.subscribe_local("#", lambda _topic, payload: seen.append(payload))
        kit = await PacketClient.connected(setup)
        await kit.send(Publish(RAW, b"1", 1, 1))
        assert await kit.next() == Puback(packet_id=1)
        assert (seen, setup.counters.callback_errors) == ([b"1"], 1)
        unsubscribe()
        await kit.send(Publish(RAW, b"2", 1, 2))
        assert await kit.next() == Puback(packet_id=2)
        assert seen == [b"1"]


async def test_an_empty_payload_never_reaches_a_kit() -> None:
    # Kit 1.0.0b8 exits when it receives one.
    async with running() as setup:
        response = f"kit/{KIT}/server-rpc/response"
        kit = await PacketClient.connected(setup)
        await kit.subscribe(response)
        assert setup.endpoint.publish(response, b"") == 0
        server = await PacketClient.connected(setup, SERVER)
        await server.send(Publish(response, b"", 1, 1, True))
        assert await server.next() == Puback(packet_id=1)
        await server.send(Publish(response, b"full", 1, 2, True))
        message = await kit.next_message()
        assert (message.payload, message.retain) == (b"full", False)


async def test_nothing_is_retained_under_kit() -> None:
    async with running() as setup:
        kit = await PacketClient.connected(setup)
        await kit.send(Publish(RAW, b"x", 1, 1, True))
        await kit.next()
        server = await PacketClient.connected(setup, SERVER)
        await server.send(Publish("kit/x/other", b"x", 1, 1, True))
        await server.next()
        await server.subscribe("#")
        await server.send(Pingreq())
        assert await server.next() == Pingresp()
        assert setup.intake.messages == [(RAW, b"x")]


async def test_readings_of_a_server_account_are_stored_too() -> None:
    async with running() as setup:
        server = await PacketClient.connected(setup, SERVER)
        await server.send(Publish(RAW, b"x", 1, 1))
        assert await server.next() == Puback(packet_id=1)
        assert setup.intake.messages == [(RAW, b"x")]


async def test_the_will_of_a_kit_is_held_to_the_same_rules() -> None:
    async with running() as setup:
        for topic in (RAW, "elsewhere"):
            kit = await PacketClient.connected(setup, will=Will(topic=topic, payload=b"gone", qos=1))
            await kit.close()
        await until(lambda: setup.intake.messages and setup.quarantine.kept)
        assert setup.intake.messages == [(RAW, b"gone")]
        assert setup.quarantine.kept == [(KIT, "elsewhere", b"gone", "topic-outside-contract")]


async def test_two_connections_of_one_kit_coexist_unless_their_client_id_is_the_same() -> None:
    async with running() as setup:
        first = await PacketClient.connected(setup)
        second = await PacketClient.connected(setup)
        third = await PacketClient.connected(setup, client_id="same")
        fourth = await PacketClient.connected(setup, client_id="same")
        assert await third.is_closed()
        other_kit = await PacketClient.connected(setup, OTHER_KIT, client_id="same")
        for client in (first, second, fourth, other_kit):
            await client.send(Pingreq())
            assert await client.next() == Pingresp()


@pytest.mark.parametrize("level", [MQTT_3_1_1, MQTT_5])
async def test_a_kit_can_be_cut_off(level: int) -> None:
    async with running() as setup:
        kit = await PacketClient.connected(setup, level=level, client_id="x", clean_start=False)
        other = await PacketClient.connected(setup, OTHER_KIT)
        setup.endpoint.disconnect_kit(KIT)
        assert await kit.is_closed()
        await other.send(Pingreq())
        assert await other.next() == Pingresp()
        again = await PacketClient.open(setup, level)
        answer = await again.connect(KIT, client_id="x", clean_start=False)
        assert isinstance(answer, Connack)
        assert not answer.session_present


async def test_a_kit_that_was_cut_off_has_a_new_session_that_stays() -> None:
    async with running() as setup:
        response = f"kit/{KIT}/server-rpc/response"
        old = await PacketClient.connected(setup, client_id="x", clean_start=False)
        await old.subscribe(response)
        # A local subscriber disconnects the kit while the message is on its way to it.
        setup.endpoint.subscribe_local("kit/#", lambda *_: setup.endpoint.disconnect_kit(KIT))
        setup.endpoint.publish(response, b"x")
        new = await PacketClient.connected(setup, client_id="x", clean_start=False)
        assert await old.is_closed()
        await until(lambda: setup.counters.connections == 1)
        await new.close()
        await until(lambda: setup.counters.connections == 0)
        again = await PacketClient.open(setup)
        assert (await again.connect(client_id="x", clean_start=False)).session_present
        assert setup.endpoint._broker._allowance.used_bytes == 0


async def test_nothing_is_published_on_an_invalid_topic() -> None:
    async with running() as setup:
        for topic in ("", "a/+", "#", "a\0"):
            with pytest.raises(MqttProtocolError):
                setup.endpoint.publish(topic, b"x")


async def test_presence_is_reported_for_the_first_and_the_last_connection_of_a_kit() -> None:
    async with running() as setup:
        first = await PacketClient.connected(setup)
        second = await PacketClient.connected(setup)
        assert setup.endpoint.is_kit_connected(KIT)
        await first.close()
        await until(lambda: setup.counters.connections == 1)
        assert setup.presence == [(KIT, True)]
        await second.close()
        await until(lambda: setup.counters.connections == 0)
        assert setup.presence == [(KIT, True), (KIT, False)]
        assert not setup.endpoint.is_kit_connected(KIT)
