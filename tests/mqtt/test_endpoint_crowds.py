"""Silent connections and rivals for one client id neither keep kits out nor take the processor from them."""

from __future__ import annotations

import asyncio

import pytest
from endpoint_harness import (
    KIT,
    OTHER_KIT,
    PASSWORD,
    SERVER,
    FakeIntake,
    PacketClient,
    Setup,
    running,
)

from hortus.protocol.mqtt.endpoint import EndpointCounters, EndpointLimits, Identity, IdentityKind
from hortus.protocol.mqtt.endpoint.occasional import Occasional
from hortus.protocol.mqtt.endpoint.takeovers import Takeovers
from hortus.protocol.mqtt.packets import MQTT_3_1_1, MQTT_5, Connect, Disconnect, Pingreq, Pingresp, ReasonCode
from waiting import until

KIT_IDENTITY = Identity(kind=IdentityKind.KIT, name=KIT)


async def is_alive(client: PacketClient) -> bool:
    await client.send(Pingreq())
    return await client.next() == Pingresp()


async def opened(setup: Setup, address: str = "127.0.0.1", level: int = MQTT_3_1_1) -> PacketClient:
    """Return a connection from this address that the endpoint has taken up."""
    accepted = setup.counters.connections + setup.counters.connections_displaced
    client = await PacketClient.open(setup, level, address=address)
    await until(lambda: setup.counters.connections + setup.counters.connections_displaced > accepted)
    return client


async def test_of_too_many_silent_connections_the_oldest_gives_way(caplog: pytest.LogCaptureFixture) -> None:
    async with running(max_unauthenticated_connections=3, connect_timeout_seconds=600) as setup:
        silent = [await opened(setup) for _ in range(3)]
        # Half a CONNECT is as good as none.
        await silent[0].send_bytes(b"\x10\x20\x00\x04MQ")
        for _ in range(2):
            assert await is_alive(await PacketClient.connected(setup))
        assert await silent[0].is_closed()
        assert (await silent[1].connect()).reason_code == 0
        assert setup.counters.connections_refused == 0
        assert setup.counters.connections_displaced == 1
        assert caplog.text.count("have not sent CONNECT") == 1


async def test_silent_connections_give_way_when_all_places_are_taken() -> None:
    async with running(max_connections=3, connect_timeout_seconds=600) as setup:
        silent = await opened(setup)
        kits = [await PacketClient.connected(setup) for _ in range(3)]
        assert await silent.is_closed()
        assert await (await PacketClient.open(setup)).is_closed()
        for kit in kits:
            assert await is_alive(kit)
        assert setup.counters.connections_refused == 1


async def test_a_connection_that_has_sent_connect_does_not_give_way() -> None:
    async with running(max_unauthenticated_connections=2) as setup:
        setup.accounts.delay = asyncio.Event()
        kits = [await opened(setup) for _ in range(2)]
        for kit in kits:
            await kit.send(Connect(client_id="", username=KIT, password=PASSWORD))
        await until(lambda: setup.accounts.asked == 2)
        assert await (await PacketClient.open(setup)).is_closed()
        setup.accounts.delay.set()
        for kit in kits:
            await kit.next()
            assert await is_alive(kit)


async def test_silent_connections_of_one_address_are_bounded_and_give_way_among_themselves() -> None:
    async with running(max_silent_connections_of_address=2, connect_timeout_seconds=600) as setup:
        other = await opened(setup, "127.0.0.2")
        silent = [await opened(setup) for _ in range(4)]
        assert await silent[0].is_closed()
        assert await silent[1].is_closed()
        for client in (other, *silent[2:]):
            assert (await client.connect()).reason_code == 0
        assert setup.counters.connections_displaced == 2
        assert setup.endpoint._directory._silent_of == {}


async def test_rivals_for_a_client_id_are_counted_and_named_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running(free_takeovers=1, max_takeover_pause_seconds=0.01) as setup:
        addresses = ("127.0.0.1", "127.0.0.2")
        previous = None
        for number in range(6):
            client = await opened(setup, addresses[number % 2], MQTT_5)
            assert (await client.connect(client_id="esp8266")).reason_code == 0
            if previous is not None:
                assert await previous.next() == Disconnect(reason_code=ReasonCode.SESSION_TAKEN_OVER)
                assert await previous.is_closed()
            previous = client
        assert setup.counters.connections_taken_over == 5
        lines = [each.getMessage() for each in caplog.records if "client id" in each.getMessage()]
        assert len(lines) == 1
        for part in (KIT, "'esp8266'", *addresses):
            assert part in lines[0]


async def test_while_a_rival_waits_for_its_turn_the_other_client_is_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running() as setup:
        first = await PacketClient.connected(setup, client_id="esp8266")
        monkeypatch.setattr(setup.endpoint._takeovers, "pause_seconds", lambda *_: 3600.0)
        rival = await PacketClient.open(setup)
        await rival.send(Connect(client_id="esp8266", username=KIT, password=PASSWORD))
        await until(lambda: setup.accounts.asked == 2)
        # Others are not affected, whatever their client ids.
        for username in (OTHER_KIT, SERVER):
            assert await is_alive(await PacketClient.connected(setup, username, client_id="esp8266"))
        assert await is_alive(first)
        # When the kit gets a new password, the one that waits is not let in with the old one.
        setup.endpoint.disconnect_kit(KIT)
        assert await rival.is_closed()
        assert await first.is_closed()


async def test_a_client_that_left_by_itself_is_not_taken_over() -> None:
    async with running(intake=FakeIntake()) as setup:
        for _ in range(5):
            client = await PacketClient.connected(setup, client_id="esp8266")
            await client.send(Disconnect())
            assert await client.is_closed()
        assert setup.counters.connections_taken_over == 0


def test_the_wait_doubles_up_to_a_limit_and_is_forgotten() -> None:
    takeovers = Takeovers(EndpointLimits(free_takeovers=2, max_takeover_pause_seconds=3), EndpointCounters())
    pauses = []
    for now in range(8):
        pauses.append(takeovers.pause_seconds(KIT_IDENTITY, "x", now))
        takeovers.record(KIT_IDENTITY, "x", "10.0.0.1", "10.0.0.2", now)
    assert pauses == [0, 0, 0.25, 0.5, 1, 2, 3, 3]
    assert takeovers.pause_seconds(KIT_IDENTITY, "y", 8) == 0
    assert takeovers.pause_seconds(KIT_IDENTITY, "x", 1000) == 0
    takeovers.record(KIT_IDENTITY, "x", "10.0.0.1", "10.0.0.2", 1000)
    assert takeovers.pause_seconds(KIT_IDENTITY, "x", 1001) == 0


def test_many_client_ids_do_not_fill_the_memory() -> None:
    takeovers = Takeovers(EndpointLimits(free_takeovers=0), EndpointCounters())
    for number in range(10_000):
        takeovers.record(KIT_IDENTITY, str(number), "10.0.0.1", "10.0.0.2", 0)
    assert len(takeovers._series) <= 4096
    assert len(takeovers._log._logged_at) <= 1024


def test_a_subject_is_logged_at_once_and_then_once_a_minute() -> None:
    log = Occasional()
    assert [log.is_due("a", now) for now in (0, 1, 59, 60, 61, 130)] == [True, False, False, True, False, True]
    assert log.is_due("b", 61)
