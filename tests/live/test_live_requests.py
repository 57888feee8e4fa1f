"""Requests on the live feed: subscribing, unsubscribing, and errors for invalid requests."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from hortus.http.access.rate_limits import Allowance, Allowances
from hortus.http.live.jsonrpc import ErrorCode, RpcError, parse_request
from live_world import LiveWorld, live_world
from waiting import PATIENCE_SECONDS

SUBSCRIBE = "subscribe_raw_measurements"
UNSUBSCRIBE = ("unsubscribe_raw_measurements", "unsubscribe_subscribe_raw_measurements", "unsubscribe")


def request(**changes: Any) -> str:
    document = {"jsonrpc": "2.0", "id": 1, "method": "unsubscribe", "params": [0]}
    return json.dumps({name: value for name, value in (document | changes).items() if value is not ...})


async def test_parameters_go_by_position_too(live: LiveWorld) -> None:
    kit = await live.kit()
    async with live.client() as client:
        assert "result" in await client.call(SUBSCRIBE, [kit.serial])


@pytest.mark.parametrize("method", UNSUBSCRIBE)
async def test_unsubscribing_ends_the_values_under_each_name(live: LiveWorld, method: str) -> None:
    kit = await live.kit()
    async with live.client() as client:
        gone, kept = await client.subscribe(kit), await client.subscribe(kit)
        assert (await client.call(method, [gone]))["result"] is True
        await live.store(kit, 7.0)
        await client.until(lambda: client.values(kept) == [7.0])
        assert client.values(gone) == []
        assert (await client.call(method, [gone]))["result"] is False


async def test_a_page_that_opens_with_the_unsubscribing_of_the_last_one_is_served(live: LiveWorld) -> None:
    kit = await live.kit()
    async with live.client() as client:
        late = await client.call("unsubscribe_subscribe_raw_measurements", [4_503_599_627_370_497])
        assert late["result"] is False
        await client.subscribe(kit)
        await live.store(kit, 8.0)
        await client.until(lambda: client.values() == [8.0])


@pytest.mark.parametrize(
    ("text", "code", "request_id"),
    [
        ("{", ErrorCode.PARSE_ERROR, None),
        ("", ErrorCode.PARSE_ERROR, None),
        ('{"jsonrpc":"2.0","id":1,"method":"\\ud800"}', ErrorCode.PARSE_ERROR, None),
        ("[" * 2000, ErrorCode.PARSE_ERROR, None),
        (f"[{request()}]", ErrorCode.INVALID_REQUEST, None),
        ('"text"', ErrorCode.INVALID_REQUEST, None),
        ("{}", ErrorCode.INVALID_REQUEST, None),
        (b"binary", ErrorCode.INVALID_REQUEST, None),
        (request(id=True), ErrorCode.INVALID_REQUEST, None),
        (request(id=[1]), ErrorCode.INVALID_REQUEST, None),
        (request(id="a", jsonrpc="1.0"), ErrorCode.INVALID_REQUEST, "a"),
        (request(id=2.5, method=7), ErrorCode.INVALID_REQUEST, 2.5),
        (request(id=None, method="dance"), ErrorCode.METHOD_NOT_FOUND, None),
        (request(method=SUBSCRIBE, params=...), ErrorCode.INVALID_PARAMS, 1),
        (request(method=SUBSCRIBE, params={"kitSerial": "k"}), ErrorCode.INVALID_PARAMS, 1),
        (request(method=SUBSCRIBE, params={"kit_serial": 7}), ErrorCode.INVALID_PARAMS, 1),
        (request(method=SUBSCRIBE, params=7), ErrorCode.INVALID_PARAMS, 1),
        (request(method=SUBSCRIBE, params=["nothing\u0000"]), ErrorCode.NOT_AUTHORIZED, 1),
        (request(method="subscribe", params=["weather", "k"]), ErrorCode.INVALID_PARAMS, 1),
        (request(method="unsubscribe", params=[]), ErrorCode.INVALID_PARAMS, 1),
        (request(method="unsubscribe", params=[[]]), ErrorCode.INVALID_PARAMS, 1),
        (request(method="authenticate", params=["nonsense"]), ErrorCode.INVALID_TOKEN, 1),
        (request(method="authenticate", params=["hortus_nonsense"]), ErrorCode.INVALID_TOKEN, 1),
    ],
)
async def test_what_is_wrong_is_answered_and_the_connection_goes_on(
    live: LiveWorld, text: str | bytes, code: ErrorCode, request_id: Any
) -> None:
    kit = await live.kit()
    async with live.client() as client:
        answer = await client.raw(text)
        assert (answer["error"]["code"], answer["id"]) == (code, request_id)
        assert answer["error"]["message"]
        assert "result" in await client.call(SUBSCRIBE, {"kit_serial": kit.serial})


async def test_a_ninth_subscription_is_refused_and_fits_once_another_has_ended(live: LiveWorld) -> None:
    kit = await live.kit()
    async with live.client() as client:
        subscriptions = [await client.subscribe(kit) for _ in range(8)]
        assert len(set(subscriptions)) == 8
        refused = await client.call(SUBSCRIBE, [kit.serial])
        assert refused["error"]["code"] == ErrorCode.TOO_MANY_SUBSCRIPTIONS
        await client.call("unsubscribe", [subscriptions[3]])
        await client.subscribe(kit)


async def test_a_request_without_id_is_ignored(live: LiveWorld) -> None:
    kit = await live.kit()
    async with live.client() as client:
        await client.socket.send(request(id=..., method=SUBSCRIBE, params=[kit.serial]))
        await live.store(kit, 9.0)
        await client.nothing_more()
        assert client.notifications == []
        assert len(client.order) == 1


async def test_too_many_requests_are_refused_with_the_time_to_wait(module_database_url: str) -> None:
    allowances = Allowances(live_requests=Allowance(at_once=3, refill_seconds=3600.0))
    async with live_world(module_database_url, allowances=allowances) as live, live.client() as client:
        answers = [await client.call("dance", []) for _ in range(5)]
    codes = [answer["error"]["code"] for answer in answers]
    assert codes == [ErrorCode.METHOD_NOT_FOUND] * 3 + [ErrorCode.TOO_MANY_REQUESTS] * 2
    assert 0 < answers[-1]["error"]["data"]["waitTimeMillis"] <= 3_600_000


async def test_each_request_of_a_burst_gets_an_answer_with_its_own_id(module_database_url: str) -> None:
    allowances = Allowances(live_requests=Allowance(at_once=3, refill_seconds=3600.0))
    async with live_world(module_database_url, allowances=allowances) as live, live.client() as client:
        sent: list[object] = [*range(20), "twenty-one", 22.5]
        for each in sent:
            await client.socket.send(request(id=each, method="dance", params=[]))
        # Neither a notification nor what has no id gets one made up.
        await client.socket.send(request(id=..., method="dance", params=[]))
        answers = [orjson.loads(await client.socket.recv()) for _ in sent]
        await client.socket.send("no JSON")
        unreadable = orjson.loads(await client.socket.recv())
    assert [answer["id"] for answer in answers] == sent
    assert answers[-1]["error"]["code"] == ErrorCode.TOO_MANY_REQUESTS
    assert (unreadable["id"], unreadable["error"]["code"]) == (None, ErrorCode.TOO_MANY_REQUESTS)


async def test_a_message_that_is_too_large_ends_the_connection_by_the_book(live: LiveWorld) -> None:
    async with live.client() as client:
        await client.socket.send("x" * 20_000)
        with pytest.raises(ConnectionClosedError) as closed:
            await client.receive()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009


async def test_what_is_not_utf8_ends_the_connection_by_the_book(
    live: LiveWorld, caplog: pytest.LogCaptureFixture
) -> None:
    async with live.client() as client:
        await client.socket.send(b"\xff\xfe", text=True)
        with pytest.raises(ConnectionClosedError) as closed:
            await client.receive()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1007
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("path", ["/api/", "/api/kits", "/", "/static/hortus.css"])
async def test_a_websocket_elsewhere_is_refused(live: LiveWorld, path: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with live.client_at(path):
            raise AssertionError("connected")
    assert refused.value.response.status_code in {403, 404}


async def test_all_that_listened_is_gone_once_its_connection_is(live: LiveWorld) -> None:
    kit = await live.kit()
    async with live.client() as polite, live.client() as rude:
        await polite.subscribe(kit)
        await rude.subscribe(kit)
        assert live.hub.subscriptions == 2
        rude.socket.transport.abort()
        await polite.socket.close()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while live.hub.subscriptions:
                await asyncio.sleep(0.01)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
NEARLY = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.sampled_from(["2.0", "1.0"]) | JSON,
        "id": JSON,
        "method": st.sampled_from([SUBSCRIBE, *UNSUBSCRIBE]) | JSON,
        "params": JSON,
        "more": JSON,
    },
)


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(st.text() | NEARLY.map(json.dumps) | JSON.map(json.dumps))
def test_any_text_is_a_request_or_refused_with_a_code_of_the_specification(text: str) -> None:
    assert outcome_of(text) in {"request", ErrorCode.PARSE_ERROR, ErrorCode.INVALID_REQUEST}


def outcome_of(text: str) -> str | ErrorCode:
    try:
        parsed = parse_request(text)
    except RpcError as error:
        return error.code
    return "request" if isinstance(parsed.method, str) else "nonsense"
