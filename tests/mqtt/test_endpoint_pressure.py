"""Memory stays bounded, and hostile or slow peers do not affect others (P4, P6)."""

from __future__ import annotations

import asyncio
import random

import pytest
from endpoint_harness import KIT, RAW, SERVER, FakeIntake, PacketClient, Setup, running

from hortus.protocol.mqtt.endpoint import EndpointCounters
from hortus.protocol.mqtt.endpoint.uploads import Uploads
from hortus.protocol.mqtt.packets import (
    MQTT_3_1_1,
    MQTT_5,
    Connack,
    Connect,
    Disconnect,
    Pingreq,
    Pingresp,
    Properties,
    Puback,
    Publish,
    ReasonCode,
    encode,
)
from waiting import PATIENCE_SECONDS, until

MEDIA = f"kit/{KIT}/media"
MIB = 1024 * 1024


async def is_alive(client: PacketClient) -> bool:
    await client.send(Pingreq())
    return await client.next() == Pingresp()


def stream_of(count: int, payload: bytes) -> bytes:
    return b"".join(encode(Publish(RAW, payload, 1, number % 65535 + 1), 4) for number in range(count))


def paused(setup: Setup) -> int:
    return sum(1 for connection in setup.endpoint._directory.all() if connection._pauses)


async def test_while_the_intake_is_saturated_no_publisher_is_read() -> None:
    async with running() as setup:
        kits = [await PacketClient.connected(setup) for _ in range(2)]
        subscriber = await PacketClient.connected(setup, SERVER)
        for kit in kits:
            await kit.send(Publish(RAW, b"1", 1, 1))
            assert await kit.next() == Puback(packet_id=1)
        setup.intake.saturated = True
        await kits[0].send(Publish(RAW, b"2", 1, 2))
        assert await kits[0].next() == Puback(packet_id=2)
        assert paused(setup) == 2
        for kit in kits:
            await kit.send(Publish(RAW, b"3", 1, 3))
        # A client that publishes nothing is served meanwhile.
        assert await is_alive(subscriber)
        assert len(setup.intake.offered) == 3
        setup.intake.relieve()
        for kit in kits:
            assert await kit.next() == Puback(packet_id=3)
        assert paused(setup) == 0


async def test_a_publisher_that_comes_while_the_intake_is_saturated_is_held_after_its_first_message() -> None:
    async with running() as setup:
        setup.intake.saturated = True
        for number in range(2):
            kit = await PacketClient.connected(setup)
            await kit.send(Publish(RAW, b"x", 1, 1))
            assert await kit.next() == Puback(packet_id=1)
            await until(lambda held=number + 1: paused(setup) == held)  # type: ignore[misc]
        assert len(setup.intake.waiting) == 1
        setup.intake.relieve()
        assert paused(setup) == 0


async def test_an_intake_that_never_settles_takes_a_bounded_number_of_messages() -> None:
    intake = FakeIntake(settles_at_once=False)
    async with running(intake=intake, max_unsettled_messages=100) as setup:
        kit = await PacketClient.connected(setup)
        total = 60_000
        kit.send_without_waiting(stream_of(total, b"x" * 100))
        await until(lambda: paused(setup) == 1)
        # At most as much as one read of the socket brings beyond the limit.
        assert 100 <= len(intake.open) <= 100 + 256 * 1024 // 100
        while len(intake.offered) < total:
            await until(lambda: intake.open)
            intake.settle_all()
            await asyncio.sleep(0)
        intake.settle_all()
        for number in range(total):
            assert await kit.next() == Puback(packet_id=number % 65535 + 1)
        assert setup.endpoint.unsettled_bytes == 0


async def test_unsettled_bytes_are_bounded_over_all_connections() -> None:
    intake = FakeIntake(settles_at_once=False)
    async with running(intake=intake, max_total_unsettled_bytes=MIB) as setup:
        kits = [await PacketClient.connected(setup) for _ in range(5)]
        for kit in kits:
            for packet_id in range(1, 11):
                kit.send_without_waiting(encode(Publish(MEDIA, b"x" * 200_000, 1, packet_id), 4))
        await until(lambda: paused(setup) == 5)
        assert setup.endpoint.unsettled_bytes < 2 * MIB
        while len(intake.offered) < 50:
            await until(lambda: intake.open)
            intake.settle_all()
            await asyncio.sleep(0)
        intake.settle_all()
        for kit in kits:
            assert {await kit.next() for _ in range(10)} == {Puback(packet_id=n) for n in range(1, 11)}


async def test_uploads_wait_for_their_turn_and_all_arrive() -> None:
    async with running(max_upload_bytes=MIB) as setup:
        kits = [await PacketClient.connected(setup) for _ in range(6)]
        uploads = setup.endpoint._parts.uploads
        highest = 0
        for kit in kits:
            kit.send_without_waiting(encode(Publish(MEDIA, b"x" * 700_000, 1, 1), 4))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(setup.intake.offered) < 6:
                highest = max(highest, uploads.granted_bytes)
                await asyncio.sleep(0)
        for kit in kits:
            assert await kit.next() == Puback(packet_id=1)
        assert 0 < highest <= MIB
        assert uploads.granted_bytes == 0


async def test_an_upload_that_hangs_is_cut_off_and_gives_its_place_back() -> None:
    async with running(max_upload_bytes=MIB, upload_grace_seconds=0.1, upload_bytes_per_second=MIB) as setup:
        hanging = await PacketClient.connected(setup, level=MQTT_5)
        await hanging.send_bytes(encode(Publish(MEDIA, b"x" * 900_000, 1, 1), MQTT_5)[:50_000])
        await until(lambda: setup.endpoint._parts.uploads.granted_bytes)
        waiting = await PacketClient.connected(setup)
        waiting.send_without_waiting(encode(Publish(MEDIA, b"x" * 900_000, 1, 1), MQTT_3_1_1))
        assert await hanging.next() == Disconnect(reason_code=ReasonCode.MESSAGE_RATE_TOO_HIGH)
        assert await waiting.next() == Puback(packet_id=1)


def test_an_upload_larger_than_the_bound_passes_when_it_is_alone() -> None:
    uploads = Uploads(100, EndpointCounters())
    granted: list[str] = []
    assert uploads.ask("big", 200, lambda: granted.append("big"))
    assert not uploads.ask("small", 10, lambda: granted.append("small"))
    assert not uploads.ask("bigger", 300, lambda: granted.append("bigger"))
    assert not uploads.ask("gone", 10, lambda: granted.append("gone"))
    uploads.done("gone")
    uploads.done("big")
    assert granted == ["small"]
    uploads.done("small")
    assert granted == ["small", "bigger"]


async def test_a_packet_of_64_mib_passes() -> None:
    async with running() as setup:
        kit = await PacketClient.connected(setup)
        kit.send_without_waiting(encode(Publish(MEDIA, bytes(64 * MIB), 1, 1), MQTT_3_1_1))
        assert await kit.next() == Puback(packet_id=1)
        assert len(setup.intake.offered[0][3]) == 64 * MIB


async def test_an_unauthenticated_client_can_send_no_more_than_a_connect() -> None:
    async with running() as setup:
        stranger = await PacketClient.open(setup)
        await stranger.send_bytes(b"\x10\xff\xff\x03")
        assert await stranger.is_closed()
        stranger = await PacketClient.open(setup)
        await stranger.send(Publish(RAW, b"x", 1, 1))
        assert await stranger.is_closed()
        assert setup.intake.offered == []


@pytest.mark.parametrize("level", [MQTT_3_1_1, MQTT_5])
async def test_hostile_bytes_end_their_own_connection_only(level: int) -> None:
    source = random.Random(7)
    async with running(max_packet_bytes=10_000) as setup:
        good = await PacketClient.connected(setup)
        for number in range(60):
            hostile = await (
                PacketClient.connected(setup, level=level) if number % 2 else PacketClient.open(setup)
            )
            # No packet can consume all the zeros, and packet type 0 does not exist.
            await hostile.send_bytes(source.randbytes(source.randrange(1, 500)) + b"\x00" * 300_000)
            assert await hostile.is_closed()
        assert await is_alive(good)
        await good.send(Publish(RAW, b"x", 1, 1))
        assert await good.next() == Puback(packet_id=1)


async def test_a_topic_alias_that_was_not_offered_ends_the_connection() -> None:
    async with running() as setup:
        kit = await PacketClient.connected(setup, level=MQTT_5)
        await kit.send(Publish(RAW, b"x", 1, 1, properties=Properties(topic_alias=1)))
        assert await kit.next() == Disconnect(reason_code=ReasonCode.TOPIC_ALIAS_INVALID)


@pytest.mark.parametrize("hexadecimal", ["20020000", "9003000100", "d000", "100c00044d5154540402003c0000"])
async def test_packets_that_only_a_server_sends_or_a_second_connect_end_the_connection(
    hexadecimal: str,
) -> None:
    async with running() as setup:
        kit = await PacketClient.connected(setup)
        await kit.send_bytes(bytes.fromhex(hexadecimal))
        assert await kit.is_closed()


async def test_a_slow_subscriber_loses_qos_0_and_is_not_waited_for() -> None:
    async with running(max_queued_messages=50, max_unsent_bytes=65536) as setup:
        slow = await PacketClient.connected(setup, SERVER, level=MQTT_5)
        await slow.subscribe("kit/#", qos=0)
        slow.pause_reading()
        kit = await PacketClient.connected(setup)
        packet_id = 0
        while not setup.counters.messages_dropped:
            packet_id += 1
            await kit.send(Publish(RAW, b"x" * 50_000, 1, packet_id))
            assert await kit.next() == Puback(packet_id=packet_id)
            assert packet_id < 10_000
        assert setup.counters.subscribers_cut_off == 0


async def test_a_slow_subscriber_at_qos_1_is_cut_off() -> None:
    async with running(max_queued_messages=50) as setup:
        slow = await PacketClient.connected(setup, SERVER)
        await slow.subscribe("kit/#", qos=1)
        slow.pause_reading()
        kit = await PacketClient.connected(setup)
        packet_id = 0
        while not setup.counters.subscribers_cut_off:
            packet_id += 1
            await kit.send(Publish(RAW, b"x" * 1000, 1, packet_id))
            assert await kit.next() == Puback(packet_id=packet_id)
            assert packet_id < 10_000
        await until(lambda: setup.counters.connections == 1)
        assert setup.endpoint._broker._allowance.used_bytes == 0


async def test_a_publisher_that_never_reads_its_acknowledgements_is_cut_off() -> None:
    async with running(max_unsent_bytes=4096, max_unread_answer_bytes=4096) as setup:
        kit = await PacketClient.connected(setup)
        kit.pause_reading()
        await until(lambda: setup.counters.connections == 1)
        stream = encode(Pingreq(), 4) * 50_000
        async with asyncio.timeout(PATIENCE_SECONDS):
            while setup.counters.connections:
                kit.send_without_waiting(stream)
                await asyncio.sleep(0.005)


async def test_subscriptions_of_a_client_are_bounded() -> None:
    async with running(max_subscriptions=3) as setup:
        for level, failure in ((MQTT_3_1_1, 0x80), (MQTT_5, 0x97)):
            server = await PacketClient.connected(setup, SERVER, level=level)
            assert await server.subscribe("a", "b", "c", "a", "d", qos=0) == (0, 0, 0, 0, failure)


async def test_sessions_of_the_absent_are_bounded_in_number_and_size() -> None:
    async with running(max_absent_sessions=3, max_total_queued_bytes=20_000) as setup:
        for number in range(6):
            client = await PacketClient.connected(setup, SERVER, client_id=f"c{number}", clean_start=False)
            await client.subscribe("news")
            await client.close()
            await until(lambda: setup.counters.connections == 0)
        for _ in range(100):
            setup.endpoint.publish("news", b"x" * 1000)
        assert setup.endpoint._broker._allowance.used_bytes <= 20_000
        present = []
        for number in range(6):
            client = await PacketClient.open(setup)
            answer = await client.connect(SERVER, client_id=f"c{number}", clean_start=False)
            present.append(answer.session_present)
        assert present == [False, False, False, True, True, True]


async def test_retained_messages_are_bounded() -> None:
    async with running(max_retained_messages=3, max_retained_bytes=10_000) as setup:
        server = await PacketClient.connected(setup, SERVER)
        for number in range(5):
            await server.send(Publish(f"note/{number}", b"x", 1, 1, True))
            await server.next()
        await server.send(Publish("note/0", b"", 1, 1, True), Publish("note/9", b"x" * 20_000, 1, 2, True))
        await server.next()
        await server.next()
        assert setup.counters.retained_dropped == 3
        reader = await PacketClient.connected(setup, SERVER)
        await reader.subscribe("note/#")
        assert {(await reader.next_message()).topic for _ in range(2)} == {"note/1", "note/2"}


async def test_a_kit_has_a_bounded_number_of_connections_and_the_newest_stay() -> None:
    async with running(max_connections_of_kit=2) as setup:
        kits = [await PacketClient.connected(setup) for _ in range(4)]
        assert await kits[0].is_closed()
        assert await kits[1].is_closed()
        assert await is_alive(kits[2])
        assert await is_alive(kits[3])


async def test_an_account_pushes_out_only_its_own_sessions() -> None:
    async with running(max_absent_sessions_of_identity=1) as setup:
        for username, client_id in ((SERVER, "s"), (KIT, "a"), (KIT, "b")):
            client = await PacketClient.connected(setup, username, client_id=client_id, clean_start=False)
            await client.close()
            await until(lambda: setup.counters.connections == 0)
        present = []
        for username, client_id in ((SERVER, "s"), (KIT, "a"), (KIT, "b")):
            client = await PacketClient.open(setup)
            answer = await client.connect(username, client_id=client_id, clean_start=False)
            present.append(answer.session_present)
        assert present == [True, False, True]


async def test_qos_2_messages_that_are_never_released_are_bounded() -> None:
    async with running(max_unreleased_messages=10) as setup:
        kit = await PacketClient.connected(setup)
        await kit.send(*(Publish(RAW, b"x", 2, packet_id) for packet_id in range(1, 12)))
        assert await kit.is_closed()


async def test_delayed_refusals_take_no_places_and_are_bounded() -> None:
    async with running(
        free_failed_logins=0, max_delayed_refusals=1, max_unauthenticated_connections=1
    ) as setup:
        delayed = await PacketClient.open(setup)
        await delayed.send(Connect(client_id="", username=KIT, password=b"wrong"))
        await until(lambda: setup.counters.failed_logins == 1)
        at_once = await PacketClient.open(setup)
        assert (await at_once.connect(KIT, password=b"wrong")).reason_code == 5
        assert await at_once.is_closed()
        assert await is_alive(await PacketClient.connected(setup))
        assert (await delayed.next()) == Connack(reason_code=5)


async def test_a_large_medium_that_waits_holds_up_no_readings() -> None:
    intake = FakeIntake(settles_at_once=False)
    async with running(
        intake=intake, max_unsettled_bytes=100_000, max_total_unsettled_bytes=100_000, max_upload_bytes=MIB
    ) as setup:
        camera, other = await PacketClient.connected(setup), await PacketClient.connected(setup)
        camera.send_without_waiting(encode(Publish(MEDIA, b"x" * 700_000, 1, 1), MQTT_3_1_1))
        await until(lambda: intake.offered)
        for kit in (camera, other):
            await kit.send(Publish(RAW, b"reading", 1, 2))
        await until(lambda: len(intake.offered) == 3)
        assert paused(setup) == 0
        assert setup.endpoint._parts.uploads.granted_bytes > 700_000
        # The next large one waits for the first, whichever connection it comes from.
        other.send_without_waiting(encode(Publish(MEDIA, b"y" * 700_000, 1, 3), MQTT_3_1_1))
        await until(lambda: paused(setup) == 1)
        assert len(intake.offered) == 3
        intake.settle_all()
        assert {await camera.next(), await camera.next()} == {Puback(packet_id=1), Puback(packet_id=2)}
        assert await other.next() == Puback(packet_id=2)
        await until(lambda: len(intake.offered) == 4)
        intake.settle_all()
        assert await other.next() == Puback(packet_id=3)
        assert setup.endpoint._parts.uploads.granted_bytes == 0


async def test_a_large_medium_of_a_connection_that_is_gone_keeps_its_place_until_it_is_settled() -> None:
    intake = FakeIntake(settles_at_once=False)
    async with running(intake=intake, max_upload_bytes=MIB) as setup:
        camera = await PacketClient.connected(setup)
        camera.send_without_waiting(encode(Publish(MEDIA, b"x" * 700_000, 1, 1), MQTT_3_1_1))
        await until(lambda: intake.offered)
        await camera.close()
        await until(lambda: not setup.endpoint._directory.all())
        assert setup.endpoint._parts.uploads.granted_bytes > 700_000
        intake.settle_all()
        assert setup.endpoint._parts.uploads.granted_bytes == 0
