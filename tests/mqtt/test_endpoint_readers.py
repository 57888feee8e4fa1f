"""Read-only accounts: they subscribe within their filters and publish nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from endpoint_harness import (
    KIT,
    PASSWORD,
    RAW,
    READER,
    SERVER,
    FakeIntake,
    PacketClient,
    Setup,
    running,
)

from hortus.protocol.mqtt.endpoint import IdentityKind
from hortus.protocol.mqtt.packets import (
    MQTT_3_1_1,
    MQTT_5,
    Connect,
    Disconnect,
    Pingreq,
    Pingresp,
    Puback,
    Publish,
    Pubrec,
    ReasonCode,
    Will,
)
from waiting import until

LEVELS = [(MQTT_3_1_1, 0x80), (MQTT_5, ReasonCode.NOT_AUTHORIZED)]


async def ping(client: PacketClient) -> None:
    await client.send(Pingreq())
    assert await client.next() == Pingresp()


@pytest.mark.parametrize(("level", "refusal"), LEVELS)
async def test_it_subscribes_to_what_its_filters_cover_and_to_nothing_else(level: int, refusal: int) -> None:
    async with running() as setup:
        reader = await PacketClient.connected(setup, READER, level=level)
        covered = ("kit/+/measurement/raw", "$share/group/kit/+/measurement/#", "garden/shed")
        assert await reader.subscribe(*covered, qos=1) == (1, 1, 1)
        others = ("#", "kit/#", "kit/+/kit-rpc/request", "$share/group/#", "$SYS/#", "garden/#", "garden")
        assert await reader.subscribe(*others) == (refusal,) * len(others)


async def test_it_gets_readings_when_they_are_stored_and_retained_messages() -> None:
    async with running(intake=FakeIntake(settles_at_once=False)) as setup:
        server = await PacketClient.connected(setup, SERVER)
        await server.send(Publish("garden/shed", b"open", 0, retain=True))
        await ping(server)
        reader = await PacketClient.connected(setup, READER)
        await reader.subscribe("kit/+/measurement/#", "garden/+", qos=1)
        assert (await reader.next_message()).payload == b"open"
        kit = await PacketClient.connected(setup, KIT)
        await kit.send(Publish(RAW, b"21.5", 1, 1))
        await until(lambda: setup.intake.open, "the reading was offered")
        await ping(reader)
        setup.intake.settle_all()
        assert (await reader.next_message()).payload == b"21.5"


@pytest.mark.parametrize("topic", [RAW, f"kit/{KIT}/kit-rpc/request", "garden/shed", "homeassistant/status"])
@pytest.mark.parametrize("level", [MQTT_3_1_1, MQTT_5])
@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_what_it_publishes_is_refused_or_set_aside_and_reaches_nobody(
    topic: str, level: int, qos: int
) -> None:
    async with running() as setup:
        server = await PacketClient.connected(setup, SERVER)
        await server.subscribe("#")
        reader = await PacketClient.connected(setup, READER, level=level)
        await reader.send(Publish(topic, b"x", qos, 1 if qos else 0, retain=True))
        is_refused = bool(qos) and level == MQTT_5
        if qos:
            code = ReasonCode.NOT_AUTHORIZED if is_refused else ReasonCode.SUCCESS
            answer = Puback if qos == 1 else Pubrec
            assert await reader.next() == answer(packet_id=1, reason_code=code)
        await ping(reader)
        await ping(server)
        kept = [(READER, topic, b"x", "topic-not-allowed")]
        assert setup.quarantine.kept == ([] if is_refused else kept)
        assert setup.refused == ([(READER, topic, "topic-not-allowed")] if is_refused else [])
        assert setup.intake.messages == []
        assert await server.subscribe("garden/+") == (2,)
        await ping(server)


async def test_its_will_reaches_nobody() -> None:
    async with running() as setup:
        server = await PacketClient.connected(setup, SERVER)
        await server.subscribe("#")
        will = Will(topic=RAW, payload=b"x", qos=1)
        reader = await PacketClient.connected(setup, READER, will=will)
        await reader.close()
        await until(lambda: setup.quarantine.kept, "the will is set aside")
        assert setup.quarantine.kept == [(READER, RAW, b"x", "topic-not-allowed")]
        await ping(server)
        assert setup.intake.messages == []


async def test_it_takes_no_messages_from_the_group_of_another_account() -> None:
    async with running() as setup:
        group = "$share/ingest/kit/+/measurement/raw"
        server = await PacketClient.connected(setup, SERVER)
        await server.subscribe(group)
        readers = [await PacketClient.connected(setup, READER) for _ in range(2)]
        for reader in readers:
            await reader.subscribe(group)
        kit = await PacketClient.connected(setup, KIT)
        for number in range(4):
            await kit.send(Publish(RAW, b"%d" % number, 0))
        assert [(await server.next_message()).payload for _ in range(4)] == [b"0", b"1", b"2", b"3"]
        received = [[(await reader.next_message()).payload for _ in range(2)] for reader in readers]
        assert sorted(received[0] + received[1]) == [b"0", b"1", b"2", b"3"]


async def test_it_is_disconnected_when_its_account_is_removed() -> None:
    async with running() as setup:
        kit = await PacketClient.connected(setup, KIT)
        reader = await PacketClient.connected(setup, READER, level=MQTT_5)
        await reader.subscribe("garden/+")
        setup.endpoint.disconnect_reader(READER)
        assert await reader.next() == Disconnect(reason_code=ReasonCode.ADMINISTRATIVE_ACTION)
        assert await reader.is_closed()
        await ping(kit)
        assert setup.endpoint.publish("garden/shed", b"x") == 0


async def test_those_who_are_just_logging_in_have_to_try_again_if_accounts_may_have_changed() -> None:
    async with running() as setup:
        kit = await PacketClient.connected(setup, KIT)
        setup.accounts.delay = asyncio.Event()
        reader = await PacketClient.open(setup)
        await reader.send(Connect(client_id="", username=READER, password=PASSWORD))
        await until(lambda: setup.accounts.asked == 2, "the password is being checked")
        setup.endpoint.close_log_ins()
        assert await reader.is_closed()
        setup.accounts.delay.set()
        await ping(kit)
        assert [each.name for each in setup.endpoint.identities()] == [KIT]


async def _absent_reader(setup: Setup) -> None:
    """Leave a session behind that waits for messages."""
    reader = await PacketClient.connected(setup, READER, client_id="wall", clean_start=False)
    await reader.subscribe("garden/+", qos=1)
    await reader.send(Disconnect())
    assert await reader.is_closed()
    await until(lambda: setup.counters.connections == 0, "the connection is closed")


async def test_the_sessions_of_a_removed_account_end_while_its_clients_are_absent() -> None:
    async with running() as setup:
        await _absent_reader(setup)
        assert setup.endpoint.publish("garden/shed", b"x") == 1
        setup.endpoint.disconnect_reader(READER)
        assert setup.endpoint.publish("garden/shed", b"x") == 0


@pytest.mark.parametrize("changed", [{"read_filters": ("kit/+/media",)}, {"credential": "new"}])
async def test_no_session_goes_on_under_other_filters_or_another_password(changed: dict[str, Any]) -> None:
    async with running() as setup:
        await _absent_reader(setup)
        before = setup.accounts.accounts[READER, PASSWORD]
        setup.accounts.accounts[READER, PASSWORD] = replace(before, **changed)
        reader = await PacketClient.open(setup)
        answer = await reader.connect(READER, client_id="wall", clean_start=False)
        assert (answer.reason_code, answer.session_present) == (0, False)


async def test_the_oldest_of_too_many_connections_of_one_account_is_closed() -> None:
    async with running(max_connections_of_kit=2) as setup:
        readers = [await PacketClient.connected(setup, READER) for _ in range(3)]
        assert await readers[0].is_closed()
        for reader in readers[1:]:
            await ping(reader)


async def test_it_is_no_kit_to_those_who_ask_for_presence() -> None:
    async with running() as setup:
        reader = await PacketClient.connected(setup, READER)
        await ping(reader)
        await reader.close()
        await until(lambda: setup.counters.connections == 0, "the connection is closed")
        assert setup.presence == []
        assert setup.accounts.accounts[READER, PASSWORD].kind is IdentityKind.READER
