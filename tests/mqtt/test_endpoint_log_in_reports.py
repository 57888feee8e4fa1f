"""What the endpoint reports of attempts to log in, so that a person can be told why a kit does not connect."""

from __future__ import annotations

import pytest
from endpoint_harness import KIT, READER, SERVER, SERVER_PASSWORD, PacketClient, running

from hortus.protocol.mqtt.endpoint import LogIn, Refusal
from hortus.protocol.mqtt.packets import MQTT_3_1_1, MQTT_5, Connack, Connect, Pingreq, Pingresp
from waiting import until


def of_kit(refusal: Refusal | None) -> LogIn:
    return LogIn(username=KIT, address="127.0.0.1", refusal=refusal)


async def test_a_log_in_of_a_kit_is_reported_with_its_address() -> None:
    async with running() as setup:
        await PacketClient.connected(setup, KIT)
        assert setup.log_ins == [of_kit(None)]


async def test_a_wrong_password_is_reported_before_the_client_is_answered() -> None:
    async with running(free_failed_logins=0, max_failed_login_delay_seconds=60.0) as setup:
        client = await PacketClient.open(setup)
        await client.send(Connect(client_id="x", protocol_level=MQTT_3_1_1, username=KIT, password=b"wrong"))
        await until(lambda: setup.log_ins, "the refusal is reported while its answer is delayed")
        assert setup.log_ins == [of_kit(Refusal.WRONG_PASSWORD)]


async def test_log_ins_of_the_server_and_of_readers_are_none_of_a_kit() -> None:
    async with running() as setup:
        server = await PacketClient.open(setup)
        assert await server.connect(SERVER, password=SERVER_PASSWORD) == Connack()
        reader = await PacketClient.open(setup)
        assert await reader.connect(READER) == Connack()
        assert setup.log_ins == []


async def test_that_an_account_could_not_be_looked_up_is_reported_as_our_fault() -> None:
    async with running() as setup:
        setup.accounts.fails = True
        client = await PacketClient.open(setup)
        await client.connect()
        assert setup.log_ins == [of_kit(Refusal.NOT_CHECKED)]


async def test_a_missing_client_id_is_reported() -> None:
    async with running() as setup:
        client = await PacketClient.open(setup)
        await client.connect(client_id="", clean_start=False)
        assert setup.log_ins == [of_kit(Refusal.NO_CLIENT_ID)]


@pytest.mark.parametrize("username", [None, "", "x" * 41])
async def test_a_name_that_nobody_has_is_not_reported(username: str | None) -> None:
    async with running() as setup:
        client = await PacketClient.open(setup)
        await client.connect(username)
        assert await client.is_closed()
        assert setup.log_ins == []


@pytest.mark.parametrize("level", [MQTT_3_1_1, MQTT_5])
async def test_a_kit_that_breaks_the_protocol_is_reported(level: int) -> None:
    async with running() as setup:
        client = await PacketClient.connected(setup, KIT, level=level)
        await client.send_bytes(b"\x00\x00")
        await until(lambda: len(setup.log_ins) == 2, "the fault is reported")
        assert setup.log_ins == [of_kit(None), of_kit(Refusal.PROTOCOL_ERROR)]


async def test_a_stranger_that_breaks_the_protocol_is_nobody() -> None:
    async with running() as setup:
        client = await PacketClient.open(setup)
        await client.send_bytes(b"GET / HTTP/1.1\r\n\r\n")
        assert await client.is_closed()
        assert setup.log_ins == []


async def test_a_report_that_fails_does_not_harm_the_connection() -> None:
    async with running() as setup:
        setup.endpoint._on_log_in = lambda _log_in: 1 / 0  # type: ignore[assignment]
        client = await PacketClient.connected(setup, KIT)
        await client.send(Pingreq())
        assert await client.next() == Pingresp()
        assert setup.counters.internal_errors == 1
