"""Packet identifiers that clients use again, and how many of them they may have open."""

from __future__ import annotations

from typing import Any

import pytest
from endpoint_harness import KIT, RAW, SERVER, FakeIntake, PacketClient, Setup, running

from hortus.protocol.mqtt.packets import (
    MQTT_3_1,
    MQTT_3_1_1,
    MQTT_5,
    Disconnect,
    Pingreq,
    Pingresp,
    Properties,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    ReasonCode,
)
from waiting import until

LEVELS = [MQTT_3_1, MQTT_3_1_1, MQTT_5]
REQUEST = f"kit/{KIT}/server-rpc/request"


async def in_lasting_session(setup: Setup, level: int) -> PacketClient:
    kept: dict[str, Any] = {"properties": Properties(session_expiry_interval_seconds=600)}
    return await PacketClient.connected(
        setup, level=level, client_id="arduino", clean_start=False, **(kept if level == MQTT_5 else {})
    )


async def is_alive(client: PacketClient) -> bool:
    await client.send(Pingreq())
    return await client.next() == Pingresp()


@pytest.mark.parametrize("duplicate", [False, True])
@pytest.mark.parametrize("level", LEVELS)
async def test_a_kit_that_lost_its_memory_but_not_its_session_has_its_next_reading_stored(
    level: int, duplicate: bool
) -> None:
    async with running() as setup:
        kit = await in_lasting_session(setup, level)
        await kit.send(Publish(RAW, b"A", 2, 1))
        assert await kit.next() == Pubrec(packet_id=1)
        await kit.close()
        kit = await in_lasting_session(setup, level)
        await kit.send(Publish(RAW, b"B", 2, 1, False, duplicate))
        assert await kit.next() == Pubrec(packet_id=1)
        await kit.send(Pubrel(packet_id=1))
        assert await kit.next() == Pubcomp(packet_id=1)
        assert setup.intake.messages == [(RAW, b"A"), (RAW, b"B")]


async def test_a_reading_with_an_old_identifier_is_acknowledged_only_when_it_is_settled() -> None:
    intake = FakeIntake(settles_at_once=False)
    async with running(intake=intake) as setup:
        kit = await in_lasting_session(setup, MQTT_3_1_1)
        await kit.send(Publish(RAW, b"A", 2, 1))
        await until(lambda: intake.open)
        intake.settle_all()
        assert await kit.next() == Pubrec(packet_id=1)
        await kit.close()
        kit = await in_lasting_session(setup, MQTT_3_1_1)
        await kit.send(Publish(RAW, b"B", 2, 1))
        await until(lambda: intake.open)
        assert await is_alive(kit)
        intake.settle_all()
        assert await kit.next() == Pubrec(packet_id=1)


async def test_a_question_with_an_old_identifier_is_delivered_and_a_repeated_one_is_not() -> None:
    async with running() as setup:
        server = await PacketClient.connected(setup, SERVER)
        await server.subscribe("kit/#", qos=0)
        for payload in (b"first", b"first", b"second", b"second"):
            kit = await in_lasting_session(setup, MQTT_3_1_1)
            await kit.send(Publish(REQUEST, payload, 2, 1))
            assert await kit.next() == Pubrec(packet_id=1)
            await kit.close()
        assert [(await server.next_message()).payload for _ in range(2)] == [b"first", b"second"]
        assert await is_alive(server)
        assert setup.counters.duplicates_ignored == 2


async def test_a_second_message_that_takes_the_identifier_of_an_unreleased_one_is_stored() -> None:
    async with running() as setup:
        kit = await PacketClient.connected(setup)
        for payload in (b"A", b"B"):
            await kit.send(Publish(RAW, payload, 2, 1))
            assert await kit.next() == Pubrec(packet_id=1)
        assert setup.intake.messages == [(RAW, b"A"), (RAW, b"B")]


@pytest.mark.parametrize("qos", [1, 2])
async def test_a_duplicate_with_another_payload_is_not_taken_for_the_open_message(qos: int) -> None:
    intake = FakeIntake(settles_at_once=False)
    async with running(intake=intake) as setup:
        kit = await PacketClient.connected(setup, level=MQTT_5)
        await kit.send(Publish(RAW, b"A", qos, 1), Publish(RAW, b"B", qos, 1, False, True))
        assert await kit.next() == Disconnect(reason_code=ReasonCode.PACKET_IDENTIFIER_IN_USE)
        assert intake.messages == [(RAW, b"A")]


@pytest.mark.parametrize("level", LEVELS)
async def test_what_was_open_when_the_session_was_taken_over_is_answered_to_the_newer_connection(
    level: int,
) -> None:
    intake = FakeIntake(settles_at_once=False)
    async with running(intake=intake) as setup:
        first = await in_lasting_session(setup, level)
        await first.send(Publish(RAW, b"A", 2, 1), Publish(RAW, b"B", 1, 2))
        await until(lambda: len(intake.open) == 2)
        second = await in_lasting_session(setup, level)
        await second.send(Publish(RAW, b"A", 2, 1, False, True), Publish(RAW, b"C", 1, 2))
        await until(lambda: len(intake.open) == 4)
        intake.settle_all()
        assert [await second.next(), await second.next()] == [Pubrec(packet_id=1), Puback(packet_id=2)]
        assert await is_alive(second)


@pytest.mark.parametrize("level", LEVELS)
async def test_a_session_that_was_to_end_with_its_connection_is_not_continued(level: int) -> None:
    async with running() as setup:
        first = await PacketClient.connected(setup, level=level, client_id="s", clean_start=True)
        await first.subscribe(f"kit/{KIT}/kit-rpc/request", qos=1)
        second = await PacketClient.open(setup, level)
        answer = await second.connect(client_id="s", clean_start=False)
        assert not answer.session_present
        assert setup.endpoint.publish(f"kit/{KIT}/kit-rpc/request", b"x") == 0


@pytest.mark.parametrize("qos", [1, 2])
async def test_an_mqtt_5_client_that_exceeds_the_receive_maximum_is_told_so(qos: int) -> None:
    intake = FakeIntake(settles_at_once=False)
    async with running(intake=intake, max_unsettled_messages=5) as setup:
        kit = await PacketClient.connected(setup, level=MQTT_5)
        await kit.send(*(Publish(RAW, bytes([number]), qos, number) for number in range(1, 7)))
        assert await kit.next() == Disconnect(reason_code=ReasonCode.RECEIVE_MAXIMUM_EXCEEDED)
        assert await kit.is_closed()
        assert len(intake.offered) == 5


async def test_unreleased_messages_count_towards_the_receive_maximum_until_they_are_released() -> None:
    async with running(max_unsettled_messages=3) as setup:
        kit = await in_lasting_session(setup, MQTT_5)
        for packet_id in (1, 2, 3):
            await kit.send(Publish(RAW, b"x", 2, packet_id))
            assert await kit.next() == Pubrec(packet_id=packet_id)
        # One that is sent again takes no place of its own.
        await kit.send(Publish(RAW, b"x", 2, 3, False, True), Pubrel(packet_id=1))
        assert [await kit.next(), await kit.next()] == [Pubrec(packet_id=3), Pubcomp(packet_id=1)]
        await kit.send(Publish(RAW, b"x", 2, 4), Publish(RAW, b"y", 1, 5))
        assert await kit.next() == Pubrec(packet_id=4)
        assert await kit.next() == Disconnect(reason_code=ReasonCode.RECEIVE_MAXIMUM_EXCEEDED)
        # The count begins anew with each connection (section 4.9).
        kit = await in_lasting_session(setup, MQTT_5)
        await kit.send(Publish(RAW, b"y", 1, 5))
        assert await kit.next() == Puback(packet_id=5)


async def test_a_client_that_keeps_to_the_receive_maximum_is_never_cut_off() -> None:
    intake = FakeIntake(settles_at_once=False)
    async with running(intake=intake, max_unsettled_messages=4) as setup:
        kit = await PacketClient.connected(setup, level=MQTT_5)
        next_id = 1
        for _ in range(4):
            await kit.send(Publish(RAW, b"x", 1, next_id))
            next_id += 1
        for _ in range(50):
            await until(lambda: len(intake.open) == 4)
            # Half of them: then reading is resumed.
            (source, first), (_, second) = intake.open[:2]
            del intake.open[:2]
            source.settle([first, second])
            for _ in range(2):
                assert isinstance(await kit.next(), Puback)
                await kit.send(Publish(RAW, b"x", 1, next_id))
                next_id += 1
        # Messages of QoS 0 are not limited by it.
        await kit.send(*(Publish(RAW, b"x") for _ in range(10)))
        await until(lambda: len(intake.open) == 14)


async def test_before_mqtt_5_a_client_with_too_many_open_messages_waits() -> None:
    intake = FakeIntake(settles_at_once=False)
    async with running(intake=intake, max_unsettled_messages=5) as setup:
        kit = await PacketClient.connected(setup)
        await kit.send(*(Publish(RAW, bytes([number]), 1, number) for number in range(1, 10)))
        answered: set[int] = set()
        while len(answered) < 9:
            await until(lambda: intake.open)
            taken = len(intake.open)
            intake.settle_all()
            for _ in range(taken):
                answer = await kit.next()
                assert isinstance(answer, Puback)
                answered.add(answer.packet_id)
        assert answered == set(range(1, 10))


async def test_what_is_sent_again_keeps_to_a_lower_receive_maximum_of_the_new_connection() -> None:
    async def subscriber_with(**announced: int) -> PacketClient:
        properties = Properties(session_expiry_interval_seconds=60, **announced)  # type: ignore[arg-type]
        return await PacketClient.connected(
            setup, SERVER, level=MQTT_5, client_id="s", clean_start=False, properties=properties
        )

    async with running() as setup:
        subscriber = await subscriber_with()
        await subscriber.subscribe("a", qos=1)
        for number in range(5):
            setup.endpoint.publish("a", bytes([number]) * (50 if number == 1 else 1))
        assert [(await subscriber.next_message()).packet_id for _ in range(5)] == [1, 2, 3, 4, 5]
        subscriber = await subscriber_with(receive_maximum=2, maximum_packet_size_bytes=40)
        # The second one is too large for this connection: it counts as completed (section 3.1.2.11.4).
        for expected in ([1, 3], [4], [5]):
            messages = [await subscriber.next_message() for _ in expected]
            assert [(each.packet_id, each.duplicate) for each in messages] == [(n, True) for n in expected]
            assert await is_alive(subscriber)
            await subscriber.send(Puback(packet_id=messages[0].packet_id))
        setup.endpoint.publish("a", b"new")
        assert (await subscriber.next_message()).payload == b"new"
        assert await is_alive(subscriber)
        assert setup.counters.messages_dropped == 1
