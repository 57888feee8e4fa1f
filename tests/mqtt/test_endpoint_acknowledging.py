"""The endpoint acknowledges messages once they are settled, and not before (P1, P2)."""

from __future__ import annotations

from endpoint_harness import KIT, RAW, SERVER, FakeIntake, PacketClient, running

from hortus.protocol.mqtt.packets import (
    Pingreq,
    Pingresp,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    encode,
)
from waiting import until


async def test_a_reading_is_acknowledged_only_when_it_is_settled() -> None:
    intake = FakeIntake(settles_at_once=False)
    async with running(intake=intake) as setup:
        kit = await PacketClient.connected(setup)
        await kit.send(Publish(RAW, b"1", 1, 7), Publish(RAW, b"2", 2, 8), Pingreq())
        assert await kit.next() == Pingresp()
        assert intake.messages == [(RAW, b"1"), (RAW, b"2")]
        intake.settle_all()
        assert [await kit.next(), await kit.next()] == [Puback(packet_id=7), Pubrec(packet_id=8)]
        await kit.send(Pubrel(packet_id=8))
        assert await kit.next() == Pubcomp(packet_id=8)


async def test_acknowledgements_come_in_the_order_of_settling() -> None:
    intake = FakeIntake(settles_at_once=False)
    async with running(intake=intake) as setup:
        kit = await PacketClient.connected(setup)
        await kit.send(*(Publish(RAW, b"x", 1, packet_id) for packet_id in (1, 2, 3)))
        await until(lambda: len(intake.open) == 3)
        (source, first), (_, second), (_, third) = intake.open
        source.settle([third])
        source.settle([first, second])
        answers = [await kit.next() for _ in range(3)]
        assert answers == [Puback(packet_id=3), Puback(packet_id=1), Puback(packet_id=2)]


async def test_a_duplicate_of_an_open_message_is_not_offered_again() -> None:
    intake = FakeIntake(settles_at_once=False)
    async with running(intake=intake) as setup:
        kit = await PacketClient.connected(setup)
        for qos, packet_id in ((1, 1), (2, 2)):
            await kit.send(Publish(RAW, b"x", qos, packet_id))
            await kit.send(Publish(RAW, b"x", qos, packet_id, False, True))
        await until(lambda: setup.counters.messages_received == 4)
        assert len(intake.offered) == 2
        assert setup.counters.duplicates_ignored == 2
        intake.settle_all()
        assert [await kit.next(), await kit.next()] == [Puback(packet_id=1), Pubrec(packet_id=2)]


async def test_a_duplicate_after_the_acknowledgement_is_offered_at_qos_1() -> None:
    async with running() as setup:
        kit = await PacketClient.connected(setup)
        for duplicate in (False, True):
            await kit.send(Publish(RAW, b"x", 1, 1, False, duplicate))
            assert await kit.next() == Puback(packet_id=1)
        assert len(setup.intake.offered) == 2


async def test_a_qos_2_message_is_offered_once_until_it_is_released() -> None:
    async with running() as setup:
        kit = await PacketClient.connected(setup)
        for duplicate in (False, True):
            await kit.send(Publish(RAW, b"x", 2, 1, False, duplicate))
            assert await kit.next() == Pubrec(packet_id=1)
        assert len(setup.intake.offered) == 1
        await kit.send(Pubrel(packet_id=1))
        assert await kit.next() == Pubcomp(packet_id=1)
        await kit.send(Publish(RAW, b"y", 2, 1))
        assert await kit.next() == Pubrec(packet_id=1)
        assert len(setup.intake.offered) == 2


async def test_after_a_reconnect_with_clean_session_everything_is_new() -> None:
    intake = FakeIntake(settles_at_once=False)
    async with running(intake=intake) as setup:
        kit = await PacketClient.connected(setup)
        await kit.send(Publish(RAW, b"x", 2, 1))
        await until(lambda: len(intake.open) == 1)
        await kit.close()
        kit = await PacketClient.connected(setup)
        await kit.send(Publish(RAW, b"x", 2, 1))
        await until(lambda: len(intake.open) == 2)
        intake.settle_all()
        assert await kit.next() == Pubrec(packet_id=1)
        await kit.send(Pingreq())
        assert await kit.next() == Pingresp()


async def test_a_persistent_session_remembers_received_qos_2_messages_over_a_reconnect() -> None:
    async with running() as setup:
        kit = await PacketClient.connected(setup, client_id="x", clean_start=False)
        await kit.send(Publish(RAW, b"x", 2, 1))
        assert await kit.next() == Pubrec(packet_id=1)
        await kit.close()
        kit = await PacketClient.connected(setup, client_id="x", clean_start=False)
        await kit.send(Publish(RAW, b"x", 2, 1, False, True))
        assert await kit.next() == Pubrec(packet_id=1)
        assert len(setup.intake.offered) == 1


async def test_a_release_before_the_message_is_settled_ends_the_connection() -> None:
    # PUBCOMP would tell the sender that the message is safe.
    intake = FakeIntake(settles_at_once=False)
    async with running(intake=intake) as setup:
        kit = await PacketClient.connected(setup)
        await kit.send(Publish(RAW, b"x", 2, 1), Pubrel(packet_id=1))
        assert await kit.is_closed()


async def test_a_new_message_with_the_packet_id_of_an_open_one_ends_the_connection() -> None:
    # One acknowledgement could not stand for both.
    intake = FakeIntake(settles_at_once=False)
    async with running(intake=intake) as setup:
        kit = await PacketClient.connected(setup)
        await kit.send(Publish(RAW, b"x", 1, 1), Publish(RAW, b"y", 1, 1))
        assert await kit.is_closed()
        assert intake.messages == [(RAW, b"x")]


async def test_readings_at_qos_0_are_offered() -> None:
    async with running() as setup:
        kit = await PacketClient.connected(setup)
        await kit.send(Publish(RAW, b"x"))
        await until(lambda: setup.intake.messages == [(RAW, b"x")])


async def test_good_messages_in_front_of_garbage_are_offered() -> None:
    async with running() as setup:
        kit = await PacketClient.connected(setup)
        await kit.send_bytes(encode(Publish(RAW, b"x"), 4) + b"\x00\x00")
        assert await kit.is_closed()
        assert setup.intake.messages == [(RAW, b"x")]


async def test_settling_twice_or_unknown_handles_is_harmless() -> None:
    intake = FakeIntake(settles_at_once=False)
    async with running(intake=intake) as setup:
        kit = await PacketClient.connected(setup)
        await kit.send(Publish(RAW, b"x", 1, 1))
        await until(lambda: len(intake.open) == 1)
        source, handle = intake.open[0]
        source.settle([handle, handle, 999])
        source.settle([handle])
        assert await kit.next() == Puback(packet_id=1)
        await kit.send(Pingreq())
        assert await kit.next() == Pingresp()


async def test_subscribers_see_a_reading_only_after_it_is_settled() -> None:
    intake = FakeIntake(settles_at_once=False)
    async with running(intake=intake) as setup:
        seen: list[tuple[str, bytes]] = []
        setup.endpoint.subscribe_local("kit/+/measurement/raw", lambda topic, body: seen.append((topic, body)))
        server = await PacketClient.connected(setup, SERVER)
        await server.subscribe("kit/#")
        kit = await PacketClient.connected(setup)
        request = f"kit/{KIT}/server-rpc/request"
        await kit.send(Publish(RAW, b"reading", 1, 1), Publish(request, b"question", 1, 2))
        # The question came later, but does not wait.
        assert (await server.next_message()).topic == request
        assert await kit.next() == Puback(packet_id=2)
        assert seen == []
        intake.settle_all()
        assert (await server.next_message()).payload == b"reading"
        assert seen == [(RAW, b"reading")]
