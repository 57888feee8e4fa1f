"""Which clients are accepted, and what the refused ones are told."""

from __future__ import annotations

import asyncio

import pytest
from endpoint_harness import KIT, RAW, SERVER, PacketClient, running

from hortus.base.errors import OperationalError
from hortus.protocol.mqtt.endpoint import EndpointLimits, Listener, MqttEndpoint
from hortus.protocol.mqtt.endpoint.login import FailedLogins
from hortus.protocol.mqtt.packets import (
    MQTT_3_1,
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
)
from waiting import until


@pytest.mark.parametrize(("level", "code"), [(MQTT_3_1, 5), (MQTT_3_1_1, 5), (MQTT_5, 0x86)])
async def test_bad_credentials_are_answered_with_the_code_that_kits_explain_to_their_owners(
    level: int, code: int
) -> None:
    async with running() as setup:
        for username, password in ((KIT, b"wrong"), ("k-nobody", b"x"), (KIT, b"")):
            client = await PacketClient.open(setup, level)
            answer = await client.connect(username, password=password, client_id="x")
            assert answer == Connack(reason_code=code)
            assert await client.is_closed()
        assert setup.counters.failed_logins == 3


@pytest.mark.parametrize(("level", "code"), [(MQTT_3_1_1, 5), (MQTT_5, 0x87)])
async def test_a_client_without_a_user_name_is_refused(level: int, code: int) -> None:
    async with running() as setup:
        client = await PacketClient.open(setup, level)
        assert await client.connect(None) == Connack(reason_code=code)
        assert await client.is_closed()


@pytest.mark.parametrize(("level", "code"), [(MQTT_3_1_1, 3), (MQTT_5, 0x88)])
async def test_a_client_is_asked_to_retry_when_accounts_cannot_be_read(level: int, code: int) -> None:
    async with running() as setup:
        setup.accounts.fails = True
        client = await PacketClient.open(setup, level)
        assert await client.connect() == Connack(reason_code=code)
        assert await client.is_closed()


async def test_an_empty_client_id_needs_a_clean_session() -> None:
    async with running() as setup:
        client = await PacketClient.open(setup)
        assert await client.connect(clean_start=False) == Connack(reason_code=2)
        client = await PacketClient.open(setup, MQTT_3_1)
        assert await client.connect() == Connack(reason_code=2)
        client = await PacketClient.open(setup)
        assert await client.connect(clean_start=True) == Connack()


async def test_mqtt_5_is_told_its_client_id_and_the_limits() -> None:
    async with running(max_unsettled_messages=20, max_keep_alive_seconds=30) as setup:
        client = await PacketClient.open(setup, MQTT_5)
        wanted = Properties(session_expiry_interval_seconds=2**32 - 1)
        answer = await client.connect(keep_alive_seconds=0, properties=wanted)
        assert answer.properties.assigned_client_identifier
        assert answer.properties == Properties(
            assigned_client_identifier=answer.properties.assigned_client_identifier,
            session_expiry_interval_seconds=24 * 3600,
            server_keep_alive_seconds=30,
            receive_maximum=20,
            maximum_packet_size_bytes=64 * 1024 * 1024 + 1024,
        )


@pytest.mark.parametrize(
    ("connect", "answer"),
    [
        ("100c00044d5154540602003c0000", "2003008400"),
        ("100c00044d5154548402003c0000", "20020001"),
        ("100e00064d514973647005 02003c0000", "20020001"),
    ],
)
async def test_an_unknown_protocol_level_is_answered_so_that_clients_can_fall_back(
    connect: str, answer: str
) -> None:
    async with running() as setup:
        reader, writer = await asyncio.open_connection("127.0.0.1", setup.port)
        writer.write(bytes.fromhex(connect))
        assert (await reader.read()).hex() == answer
        writer.close()
        await writer.wait_closed()


async def test_enhanced_authentication_is_refused() -> None:
    async with running() as setup:
        client = await PacketClient.open(setup, MQTT_5)
        answer = await client.connect(properties=Properties(authentication_method="SCRAM-SHA-256"))
        assert answer.reason_code == ReasonCode.BAD_AUTHENTICATION_METHOD


async def test_packets_behind_connect_are_read_after_the_password_is_checked() -> None:
    async with running() as setup:
        setup.accounts.delay = asyncio.Event()
        client = await PacketClient.open(setup)
        connect = Connect(client_id="", username=KIT, password=b"kit password")
        await client.send(connect, Publish(RAW, b"x" * 20_000, 1, 1), Pingreq())
        await until(lambda: setup.accounts.asked)
        assert setup.intake.messages == []
        setup.accounts.delay.set()
        answers = [await client.next() for _ in range(3)]
        assert answers == [Connack(), Puback(packet_id=1), Pingresp()]


async def test_a_kit_disconnected_while_its_old_password_is_checked_is_not_accepted() -> None:
    async with running() as setup:
        setup.accounts.delay = asyncio.Event()
        client = await PacketClient.open(setup)
        await client.send(Connect(client_id="", username=KIT, password=b"kit password"))
        await until(lambda: setup.accounts.asked)
        setup.endpoint.disconnect_kit(KIT)
        setup.accounts.delay.set()
        assert await client.is_closed()
        assert setup.counters.connections_accepted == 0


async def test_a_client_that_never_sends_connect_is_disconnected() -> None:
    async with running(connect_timeout_seconds=0.1) as setup:
        silent = await PacketClient.open(setup)
        assert await silent.is_closed()
        half = await PacketClient.open(setup)
        await half.send_bytes(b"\x10\x20\x00\x04MQ")
        assert await half.is_closed()


async def test_a_client_silent_beyond_its_keep_alive_is_disconnected_with_a_reason() -> None:
    async with running() as setup:
        client = await PacketClient.connected(setup, level=MQTT_5, keep_alive_seconds=1)
        assert await client.next() == Disconnect(reason_code=ReasonCode.KEEP_ALIVE_TIMEOUT)
        assert await client.is_closed()


async def test_unauthenticated_and_total_connections_are_bounded() -> None:
    async with running(max_connections=3, max_unauthenticated_connections=1) as setup:
        displaced = await PacketClient.open(setup)
        await until(lambda: setup.counters.connections == 1)
        stranger = await PacketClient.open(setup)
        assert await displaced.is_closed()
        assert (await stranger.connect()).reason_code == 0
        await PacketClient.connected(setup)
        await PacketClient.connected(setup)
        assert await (await PacketClient.open(setup)).is_closed()
        assert (setup.counters.connections_displaced, setup.counters.connections_refused) == (1, 1)


def test_failed_logins_of_an_address_are_answered_later_and_later_up_to_a_limit() -> None:
    logins = FailedLogins(EndpointLimits(free_failed_logins=2, max_failed_login_delay_seconds=3))
    delays = [logins.delay_after_failure("10.0.0.1", now) for now in range(8)]
    assert delays == [0, 0, 0.5, 1, 2, 3, 3, 3]
    assert logins.delay_after_failure("10.0.0.2", 8) == 0
    assert logins.delay_after_failure("10.0.0.1", 10_000) == 0


def test_failed_logins_of_many_addresses_do_not_fill_the_memory() -> None:
    logins = FailedLogins(EndpointLimits())
    for number in range(10_000):
        logins.delay_after_failure(str(number), 0)
    assert len(logins._failures) <= 4096


async def test_a_port_in_use_is_reported_in_one_sentence() -> None:
    async with running() as setup:
        second = MqttEndpoint(
            authenticator=setup.accounts,
            intake=setup.intake,
            set_aside=setup.quarantine,
            listeners=[Listener(port=0), Listener(port=setup.port)],
        )
        with pytest.raises(OperationalError) as raised:
            await second.start()
        assert str(raised.value) == (
            f"Port {setup.port} on 127.0.0.1 is in use by another program; stop that program or choose "
            "another MQTT port."
        )
        assert second.addresses == []


async def test_an_address_of_another_machine_is_reported_in_one_sentence() -> None:
    async with running() as setup:
        second = MqttEndpoint(
            authenticator=setup.accounts,
            intake=setup.intake,
            set_aside=setup.quarantine,
            listeners=[Listener(host="192.0.2.1", port=0)],
        )
        with pytest.raises(OperationalError, match=r"^Port 0 on 192\.0\.2\.1 cannot be listened on"):
            await second.start()


async def test_stopping_waits_for_open_messages_and_sends_disconnect() -> None:
    async with running(stop_timeout_seconds=20) as setup:
        setup.intake.settles_at_once = False
        old = await PacketClient.connected(setup)
        new = await PacketClient.connected(setup, SERVER, level=MQTT_5)
        await old.send(Publish(RAW, b"x", 1, 1))
        await until(lambda: setup.intake.open)
        stopping = asyncio.create_task(setup.endpoint.stop())
        await until(lambda: not setup.endpoint.addresses)
        setup.intake.settle_all()
        assert await old.next() == Puback(packet_id=1)
        assert await new.next() == Disconnect(reason_code=ReasonCode.SERVER_SHUTTING_DOWN)
        await stopping
        assert await old.is_closed()
        assert setup.counters.connections == 0


async def test_stopping_does_not_wait_for_ever() -> None:
    async with running(stop_timeout_seconds=0.05) as setup:
        setup.intake.settles_at_once = False
        kit = await PacketClient.connected(setup)
        await kit.send(Publish(RAW, b"x", 1, 1))
        await until(lambda: setup.intake.open)
        await setup.endpoint.stop()
        assert await kit.is_closed()
        setup.intake.settle_all()
        assert setup.endpoint.unsettled_messages == 0
