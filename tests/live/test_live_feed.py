"""The live feed as the existing front-end uses it (http-api 5)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx

from deleting import bring_back, delete_configuration_of
from hortus.http.live.feed import FeedKey
from live_world import LiveWorld
from waiting import PATIENCE_SECONDS, until


async def test_a_stored_reading_is_told_as_the_contract_writes_it(live: LiveWorld) -> None:
    kit = await live.kit()
    async with live.client() as client:
        subscription = await client.subscribe(kit)
        assert client.order == [{"jsonrpc": "2.0", "result": subscription, "id": 0}]
        at = datetime.now(UTC).replace(microsecond=250_000)
        reading_id = await live.store(kit, 21.0, at=at)
        message = await client.receive()
    assert message == {
        "jsonrpc": "2.0",
        "method": "subscribe_raw_measurements",
        "params": {
            "subscription": subscription,
            "result": {
                "id": str(reading_id),
                "kitSerial": kit.serial,
                "datetime": at.strftime("%Y-%m-%dT%H:%M:%S.250Z"),
                "peripheral": kit.peripheral,
                "quantityType": kit.peripherals[0].quantity_types[0],
                "value": 21.0,
            },
        },
    }
    assert 0 <= subscription < 2**53


async def test_the_last_value_of_each_series_follows_right_after_the_reply(live: LiveWorld) -> None:
    kit = await live.kit()
    now = datetime.now(UTC)
    await live.store(kit, 1.0, at=now - timedelta(minutes=40), series=2)  # history
    await live.store(kit, 2.0, at=now - timedelta(seconds=20))
    await live.store(kit, 3.0, at=now - timedelta(seconds=10))
    await live.store(kit, 4.0, at=now - timedelta(minutes=20), series=1)
    async with live.client() as first, live.client() as second:
        subscription = await first.subscribe(kit)
        await first.until(lambda: len(first.values(subscription)) == 2)
        await second.subscribe(kit)  # from what the process knows by now
        await second.until(lambda: len(second.values()) == 2)
        await live.store(kit, 5.0)
        await first.until(lambda: 5.0 in first.values())
        await second.until(lambda: 5.0 in second.values())
    assert sorted(first.values()) == [3.0, 4.0, 5.0]
    assert sorted(second.values()) == [3.0, 4.0, 5.0]


async def test_health_and_metrics_tell_who_listens(live: LiveWorld) -> None:
    kit = await live.kit()
    async with live.client() as client, live.client(), httpx.AsyncClient(timeout=PATIENCE_SECONDS) as http:
        await client.subscribe(kit)
        health = await http.get(f"http://127.0.0.1:{live.port}/healthz")
        metrics = await http.get(f"http://127.0.0.1:{live.port}/metrics")
    assert health.json()["parts"]["live"] == {
        "state": "Sending new values.",
        "connections": 2,
        "subscriptions": 1,
    }
    for line in (
        "hortus_live_is_connected 1.0",
        "hortus_live_connections 2.0",
        "hortus_live_subscriptions 1.0",
    ):
        assert f"{line}\n" in metrics.text


async def test_who_asks_for_no_websocket_is_told_to(live: LiveWorld) -> None:
    async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as http:
        answer = await http.get(f"http://127.0.0.1:{live.port}/api/ws")
    assert (answer.status_code, answer.headers["upgrade"]) == (426, "websocket")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == "Connect with a WebSocket."


async def test_values_of_a_deleted_configuration_are_told_to_nobody_who_comes_later(live: LiveWorld) -> None:
    kit = await live.kit()
    now = datetime.now(UTC)
    await live.store(kit, 1.0, at=now - timedelta(seconds=20))
    async with live.client() as first, live.client() as second, live.client() as third:
        await first.subscribe(kit)  # the process has the value in memory from now on
        await first.until(lambda: first.values() == [1.0])
        configuration_id = await delete_configuration_of(live.parts.engine, kit.peripheral)
        feed = live.hub._feeds[FeedKey("raw_measurements", kit.id)]
        await until(lambda: not feed.last_values(now), "the feed has dropped the value")
        await second.subscribe(kit)
        await second.nothing_more()
        assert second.values() == []
        await bring_back(live.parts.engine, configuration_id)
        await live.store(kit, 2.0)
        await first.until(lambda: first.values() == [1.0, 2.0])
        await second.until(lambda: second.values() == [2.0])
        await third.subscribe(kit)
        await third.until(lambda: third.values() == [2.0])


async def test_a_process_that_loads_a_feed_leaves_out_what_was_deleted(live: LiveWorld) -> None:
    kit = await live.kit()
    await live.store(kit, 1.0)
    configuration_id = await delete_configuration_of(live.parts.engine, kit.peripheral)
    await live.connection.execute("UPDATE raw_measurements SET kit_configuration_id = $1", configuration_id)
    async with live.client() as client:
        await client.subscribe(kit)
        await client.nothing_more()
        assert client.values() == []
