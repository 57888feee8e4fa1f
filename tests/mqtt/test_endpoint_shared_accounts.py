"""Two kits with one account are noticed; a kit with a bad network is not taken for two."""

from __future__ import annotations

import pytest
from endpoint_harness import KIT, OTHER_KIT, PacketClient, Setup, running

from hortus.protocol.mqtt.packets import Pingreq, Pingresp
from waiting import until


async def ping(client: PacketClient) -> None:
    await client.send(Pingreq())
    assert await client.next() == Pingresp()


async def everything_was_swept(setup: Setup) -> None:
    """Wait until the endpoint has looked at its connections: it closes one that sends no CONNECT."""
    silent = await PacketClient.open(setup)
    assert await silent.is_closed()


async def test_two_clients_that_are_connected_for_one_kit_are_reported_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running(sharing_grace_seconds=0.0, connect_timeout_seconds=0.05) as setup:
        first = await PacketClient.connected(setup, KIT)
        second = await PacketClient.connected(setup, KIT)
        await PacketClient.connected(setup, OTHER_KIT)
        for client in (first, second, first):
            await ping(client)
        await until(lambda: setup.shared, "the shared account is reported")
        await everything_was_swept(setup)
        assert setup.shared == [KIT]
    [line] = [record.getMessage() for record in caplog.records if "take turns" in record.getMessage()]
    assert f"under the account of kit {KIT}" in line
    assert "give each kit an account of its own" in line


async def test_a_dead_connection_that_a_kit_left_behind_is_no_second_client() -> None:
    async with running(sharing_grace_seconds=0.0, connect_timeout_seconds=0.05) as setup:
        dead = await PacketClient.connected(setup, KIT)
        await ping(dead)
        alive = await PacketClient.connected(setup, KIT)
        for _ in range(2):
            await ping(alive)
            await everything_was_swept(setup)
        assert setup.shared == []


async def test_two_clients_that_throw_each_other_out_are_reported() -> None:
    async with running(free_takeovers=2, max_takeover_pause_seconds=0.0) as setup:
        for number in range(4):
            await PacketClient.connected(setup, KIT, client_id="kit")
            if number < 3:
                assert setup.shared == []
        await until(lambda: setup.shared == [KIT], "the shared account is reported")
