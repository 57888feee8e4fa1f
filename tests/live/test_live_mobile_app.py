"""The live feed as AstroPlant's mobile app uses it: names in camelCase, times in milliseconds.

The app takes the `result` of every notification for a reading, whatever its method.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hortus.http.live.admission import LiveLimits
from hortus.http.live.jsonrpc import ErrorCode
from live_world import Client, LiveKit, LiveWorld, live_world

SUBSCRIBE = "subscribe_rawMeasurements"
UNSUBSCRIBE = "unsubscribe_rawMeasurements"


async def subscribe(client: Client, kit: LiveKit) -> int:
    reply = await client.call(SUBSCRIBE, {"kitSerial": kit.serial})
    assert "result" in reply, reply
    return int(reply["result"])


async def test_a_reading_is_told_as_the_app_reads_it(live: LiveWorld) -> None:
    kit = await live.kit()
    async with live.client() as client:
        subscription = await subscribe(client, kit)
        at = datetime.now(UTC).replace(microsecond=250_000)
        reading_id = await live.store(kit, 21.0, at=at)
        text = await client.socket.recv()
    assert json.loads(text) == {
        "jsonrpc": "2.0",
        "method": "rawMeasurements",
        "params": {
            "subscription": subscription,
            "result": {
                "id": str(reading_id),
                "kitSerial": kit.serial,
                "datetime": round(at.timestamp() * 1000),
                "peripheral": kit.peripheral,
                "quantityType": kit.peripherals[0].quantity_types[0],
                "value": 21.0,
            },
        },
    }
    # The app casts: a value without a point is no `double` to it, and a time with one no `int`.
    assert '"value":21.0' in str(text)
    assert isinstance(json.loads(text)["params"]["result"]["datetime"], int)


async def test_times_are_cut_to_whole_milliseconds(live: LiveWorld) -> None:
    kit = await live.kit()
    at = datetime.now(UTC).replace(microsecond=999_999)
    async with live.client() as client:
        await subscribe(client, kit)
        await live.store(kit, 1.0, at=at - timedelta(seconds=1))
        await client.until(client.results)
    told = client.results()[0]["datetime"]
    assert told == int(at.timestamp() - 1) * 1000 + 999


async def test_the_last_value_of_each_series_follows_right_after_the_reply(live: LiveWorld) -> None:
    kit = await live.kit()
    now = datetime.now(UTC)
    await live.store(kit, 2.0, at=now - timedelta(seconds=20))
    await live.store(kit, 3.0, at=now - timedelta(seconds=10))
    await live.store(kit, 4.0, at=now - timedelta(minutes=20), series=1)
    async with live.client() as client:
        await subscribe(client, kit)
        await client.until(lambda: len(client.values()) == 2)
    assert sorted(client.values()) == [3.0, 4.0]
    assert {message["method"] for message in client.notifications} == {"rawMeasurements"}


async def test_app_and_front_end_each_get_their_own_form(live: LiveWorld) -> None:
    kit = await live.kit()
    async with live.client() as client:
        mobile, web = await subscribe(client, kit), await client.subscribe(kit)
        await live.store(kit, 5.0)
        await client.until(lambda: client.values(mobile) == client.values(web) == [5.0])
        (in_milliseconds,), (in_text,) = client.results(mobile), client.results(web)
    moment = datetime.fromisoformat(in_text["datetime"])
    assert in_milliseconds == in_text | {"datetime": int(moment.timestamp() * 1000)}


@pytest.mark.parametrize("parameters", [lambda number: {"subscription": number}, lambda number: [number]])
async def test_unsubscribing_ends_the_values(live: LiveWorld, parameters: Any) -> None:
    kit = await live.kit()
    async with live.client() as client:
        gone, kept = await subscribe(client, kit), await subscribe(client, kit)
        assert (await client.call(UNSUBSCRIBE, parameters(gone)))["result"] is True
        await live.store(kit, 7.0)
        await client.until(lambda: client.values(kept) == [7.0])
        assert client.values(gone) == []
        assert (await client.call(UNSUBSCRIBE, parameters(gone)))["result"] is False


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"kit_serial": "k"}, ErrorCode.INVALID_PARAMS),
        ({"kitSerial": 7}, ErrorCode.INVALID_PARAMS),
        ({}, ErrorCode.INVALID_PARAMS),
        ({"kitSerial": "k-none-such-here"}, ErrorCode.NOT_AUTHORIZED),
    ],
)
async def test_what_is_wrong_is_answered(live: LiveWorld, parameters: Any, code: ErrorCode) -> None:
    async with live.client() as client:
        assert (await client.call(SUBSCRIBE, parameters))["error"]["code"] == code


async def test_a_private_kit_is_not_told_to_strangers(live: LiveWorld) -> None:
    kit = await live.kit(public=False)
    async with live.client() as client:
        answer = await client.call(SUBSCRIBE, {"kitSerial": kit.serial})
    assert answer["error"]["code"] == ErrorCode.NOT_AUTHORIZED


async def test_the_limit_on_subscriptions_counts_all_kinds_together(live: LiveWorld) -> None:
    kit = await live.kit()
    async with live.client() as client:
        for _ in range(4):
            await subscribe(client, kit)
            await client.subscribe(kit)
        ninth = await client.call(SUBSCRIBE, {"kitSerial": kit.serial})
    assert ninth["error"]["code"] == ErrorCode.TOO_MANY_SUBSCRIPTIONS


async def test_the_app_gets_no_notice_that_is_no_reading(module_database_url: str) -> None:
    async with live_world(module_database_url, LiveLimits(values_per_look=20)) as live:
        kit = await live.kit()
        now = datetime.now(UTC)
        async with live.client() as client:
            mobile, web = await subscribe(client, kit), await client.subscribe(kit)
            await live.store(kit, 1.0, at=now)
            await client.until(lambda: client.values(mobile) == client.values(web) == [1.0])
            await live.store(kit, 0.0, at=now - timedelta(seconds=1))  # late
            await client.until(lambda: client.told("skipped"))
            async with live.connection.transaction():
                await live.connection.execute(
                    "UPDATE kits SET privacy_public_dashboard = false WHERE id = $1", kit.id
                )
                await live.connection.execute("SELECT pg_notify('hortus_access', $1)", f"kit {kit.id}")
            await client.until(lambda: client.told("subscription_ended"))
            # The app's subscription has ended, too, although it was not told.
            assert (await client.call(UNSUBSCRIBE, [mobile]))["result"] is False
    notices = [
        each["params"]["subscription"] for each in client.notifications if "result" not in each["params"]
    ]
    assert set(notices) == {web}
