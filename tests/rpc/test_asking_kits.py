"""A user sends a kit a request over HTTP, through the built-in endpoint, and gets the kit's answer."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import httpx
import pytest
from PIL import Image
from rpc_world import RpcWorld

from hortus.protocol.wire.codec import decode_media
from waiting import until


def problem(response: httpx.Response) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert document.pop("status") == response.status_code
    return document


async def test_a_kit_tells_version_and_uptime_as_json(rpc_installation: RpcWorld) -> None:
    kit = await rpc_installation.make_kit()
    await rpc_installation.start(kit)
    version = await rpc_installation.get(f"/kit-rpc/{kit.serial}/version")
    uptime = await rpc_installation.get(f"/kit-rpc/{kit.serial}/uptime")
    assert (version.status_code, version.json()) == (200, "1.0.0b8")
    assert version.headers["content-type"] == "application/json"
    assert uptime.status_code == 200
    assert isinstance(uptime.json(), int)


@pytest.mark.parametrize("what", ["version", "uptime"])
async def test_head_and_options_ask_no_kit(rpc_installation: RpcWorld, what: str) -> None:
    """A prefetching proxy or browser must not make a kit act."""
    world = rpc_installation
    kit = await world.make_kit()
    virtual = await world.start(kit)
    path, headers = f"/kit-rpc/{kit.serial}/{what}", world.headers
    head = await world.client.head(path, headers=headers)
    assert (head.status_code, head.headers["allow"], head.content) == (405, "GET, OPTIONS", b"")
    assert (await world.client.options(path, headers=headers)).status_code == 200
    assert (await world.get(path)).status_code == 200
    assert [line["method"] for line in await world.ledger(kit)] == [what]
    assert virtual.counts.questions == 1


async def test_a_heater_is_commanded_and_the_ledger_tells_who_did_it(rpc_installation: RpcWorld) -> None:
    world = rpc_installation
    kit = await world.make_kit()
    await world.start(kit)
    response = await world.command(kit, "Heater", {"heat": 5})
    assert (response.status_code, response.content) == (200, b"ok")
    assert response.headers["content-type"] == "text/plain"
    (line,) = await world.ledger(kit)
    assert line["askedBy"].startswith("person-")
    assert line["durationSeconds"] >= 0
    assert {key: line[key] for key in ("method", "peripheral", "command", "state", "error", "resultText")} == {
        "method": "peripheralCommand",
        "peripheral": "Heater",
        "command": {"heat": 5},
        "state": "succeeded",
        "error": None,
        "resultText": "ok",
    }


async def test_a_camera_returns_its_picture_and_publishes_it_too(rpc_installation: RpcWorld) -> None:
    world = rpc_installation
    kit = await world.make_kit()
    await world.start(kit)
    response = await world.command(kit, "Camera", "uniform")
    assert response.status_code == 200
    assert response.headers["content-type"] == "image/png"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert Image.open(io.BytesIO(response.content)).size == (600, 400)
    await until(lambda: any(topic.endswith("/media") for topic, _ in world.intake.messages), "it is published")
    published = next(payload for topic, payload in world.intake.messages if topic == f"kit/{kit.serial}/media")
    media = decode_media(published)
    assert (media.name, media.type, media.metadata) == ("uniform.png", "image/png", "null")
    assert media.data == response.content


async def test_a_kit_that_is_not_connected_is_refused_at_once(rpc_installation: RpcWorld) -> None:
    kit = await rpc_installation.make_kit()
    response = await rpc_installation.get(f"/kit-rpc/{kit.serial}/version")
    document = problem(response)
    assert (response.status_code, document["kitRpcResponseError"]) == (502, "KitOffline")
    assert document["type"] == "/probs/kit-rpc"
    assert document["title"] == "There was an issue with the kit RPC response"


@pytest.mark.parametrize(
    ("peripheral", "command", "parameter", "words"),
    [
        ("Sundial", "turn", "peripheral", "no peripheral named Sundial"),
        ("Climate", {"heat": 1}, "peripheral", "takes no commands"),
        ("Heater", {"heat": 11}, "command", "11 is greater than the maximum"),
        ("Camera", "selfie", "command", "is not one of"),
        ("Lamp", {"blue": 101}, "command", "blue"),
        ("Heater", {"heat": "x" * 50_000}, "command", "at most"),
        ("", {}, "peripheral", "1 to 255"),
    ],
)
async def test_what_a_kit_could_not_do_is_refused_before_it_is_sent(
    rpc_installation: RpcWorld, peripheral: str, command: Any, parameter: str, words: str
) -> None:
    kit = await rpc_installation.make_kit()
    virtual = await rpc_installation.start(kit)
    response = await rpc_installation.command(kit, peripheral, command)
    assert (response.status_code, list(problem(response)["invalidParameters"])) == (400, [parameter])
    assert words in response.json()["detail"]
    assert virtual.counts.questions == 0


async def test_many_who_ask_at_once_are_served_one_after_the_other(rpc_installation: RpcWorld) -> None:
    world = rpc_installation
    kit, other = await world.make_kit(), await world.make_kit()
    virtual, other_virtual = await world.start(kit), await world.start(other)
    requests = [world.command(kit, "Camera", "art") for _ in range(4)]
    requests += [world.get(f"/kit-rpc/{each.serial}/version") for each in (kit, other, kit, other)]
    responses = await asyncio.gather(*requests)
    assert [response.status_code for response in responses] == [200] * 8
    assert (virtual.counts.questions, virtual.counts.overlaps) == (6, 0)
    assert (other_virtual.counts.questions, other_virtual.counts.overlaps) == (2, 0)
