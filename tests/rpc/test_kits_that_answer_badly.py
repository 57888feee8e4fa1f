"""Kits that answer late, twice, wrongly or never, and unsolicited answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from rpc_world import RpcWorld, rpc_world

from hortus.domain.kits.store import CreatedKit
from hortus.protocol.mqtt.topics import KitTopic, TopicChannel
from hortus.protocol.wire.codec import encode_kit_rpc_response
from hortus.protocol.wire.messages import (
    KitResult,
    KitRpcResponse,
    MethodNotFoundError,
    OtherError,
    PeripheralCommandResult,
    RateLimitError,
    UptimeResult,
    VersionResult,
)
from hortus.simulator.answering import unreadable
from waiting import until


@pytest.fixture
async def hasty(migrated_database_url: str) -> AsyncIterator[RpcWorld]:
    """An installation that gives kits one second to answer."""
    async with rpc_world(migrated_database_url, kit_seconds=1) as world:
        yield world


def error_of(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["kitRpcResponseError"]


async def free(world: RpcWorld, kit: CreatedKit) -> None:
    """Wait until nothing occupies the kit."""

    async def is_free() -> bool:
        rows = await world.run_sql(
            "SELECT 1 FROM kit_commands WHERE kit_id = :kit AND occupies_kit", kit=kit.id
        )
        return not rows

    await until(is_free, "the kit is free again")


async def test_no_answer_is_a_timeout_and_the_kit_is_free_again_later(hasty: RpcWorld) -> None:
    kit = await hasty.make_kit()
    virtual = await hasty.start(kit, "no-answer:1")
    first = await hasty.get(f"/kit-rpc/{kit.serial}/version")
    assert error_of(first) == (502, "TimedOut")
    assert first.json()["commandId"] == (await hasty.ledger(kit))[0]["id"]
    await free(hasty, kit)
    assert error_of(await hasty.get(f"/kit-rpc/{kit.serial}/version")) == (502, "TimedOut")
    assert virtual.counts.questions == 2


async def test_a_late_answer_is_noted_in_the_ledger_and_frees_the_kit(hasty: RpcWorld) -> None:
    kit = await hasty.make_kit()
    # 35 s of kit time, twenty times as fast.
    await hasty.start(kit, "late:1", speed=20)
    assert error_of(await hasty.command(kit, "Heater", {"heat": 3})) == (502, "TimedOut")

    async def is_noted() -> bool:
        return (await hasty.ledger(kit))[0]["lateAnswerAt"] is not None

    await until(is_noted, "the late answer is noted")
    (line,) = await hasty.ledger(kit)
    assert (line["state"], line["error"], line["resultText"]) == ("failed", "TimedOut", "ok")
    assert line["hasResult"] is False
    await until(lambda: hasty.rpc.answers.receptions["late"] == 1, "the late answer is counted")
    await free(hasty, kit)


async def test_a_second_answer_changes_nothing(rpc_installation: RpcWorld) -> None:
    world = rpc_installation
    kit = await world.make_kit()
    await world.start(kit, "twice:1")
    for _ in range(2):
        assert (await world.get(f"/kit-rpc/{kit.serial}/version")).status_code == 200
    await until(lambda: world.rpc.answers.receptions["repeated"] == 2, "the second answers are counted")
    assert world.rpc.answers.receptions["expected"] == 2
    assert [line["state"] for line in await world.ledger(kit)] == ["succeeded"] * 2


@pytest.mark.parametrize("size", [2, 500_000])
async def test_an_answer_that_is_delivered_again_is_a_repeat_and_no_warning(
    rpc_installation: RpcWorld, puppet: Puppet, size: int, caplog: pytest.LogCaptureFixture
) -> None:
    world = rpc_installation
    asking = asyncio.create_task(world.command(puppet.kit, "Heater", {"heat": 1}))
    said = answer(await puppet.asked(), text(b"x" * size))
    puppet.say(said)
    assert (await asking).content == b"x" * size
    puppet.say(said)
    await until(lambda: world.rpc.answers.receptions["repeated"] == 1, "the repeat is counted")
    assert world.rpc.answers.receptions == {"expected": 1, "repeated": 1}
    assert [record for record in caplog.records if "answer" in record.message] == []


async def test_a_large_answer_that_comes_too_late_is_noted(hasty: RpcWorld) -> None:
    kit = await hasty.make_kit()
    await hasty.start(kit, "no-answer:1")
    puppet = Puppet(hasty, kit)
    asking = asyncio.create_task(hasty.command(kit, "Heater", {"heat": 1}))
    command_id = await puppet.asked()
    assert error_of(await asking) == (502, "TimedOut")
    await free(hasty, kit)
    puppet.say(answer(command_id, text(b"x" * 500_000)))
    await until(lambda: hasty.rpc.answers.receptions == {"late": 1}, "the late answer is counted")
    (line,) = await hasty.ledger(kit)
    assert (line["error"], line["resultSize"], line["lateAnswerAt"] is None) == ("TimedOut", 500_000, False)


async def test_an_answer_with_another_id_is_ignored(hasty: RpcWorld) -> None:
    kit = await hasty.make_kit()
    await hasty.start(kit, "wrong-id:1")
    assert error_of(await hasty.get(f"/kit-rpc/{kit.serial}/uptime")) == (502, "TimedOut")
    await until(lambda: hasty.rpc.answers.receptions == {"unasked": 1}, "the answer is counted")


async def test_an_answer_that_cannot_be_read_is_told_as_such(rpc_installation: RpcWorld) -> None:
    kit = await rpc_installation.make_kit()
    await rpc_installation.start(kit, "rubbish:1")
    assert error_of(await rpc_installation.get(f"/kit-rpc/{kit.serial}/version")) == (502, "MalformedResponse")


async def test_a_kit_that_loses_its_connection_in_the_middle_answers_after_the_reconnect(
    rpc_installation: RpcWorld,
) -> None:
    kit = await rpc_installation.make_kit()
    virtual = await rpc_installation.start(kit, "disconnect:1")
    assert (await rpc_installation.command(kit, "Heater", {"heat": 2})).status_code == 200
    assert (virtual.counts.connections, virtual.counts.questions) == (2, 1)


async def test_a_kit_that_starts_anew_is_not_kept_waiting_for(hasty: RpcWorld) -> None:
    kit = await hasty.make_kit()
    virtual = await hasty.start(kit, "no-answer:1")
    assert error_of(await hasty.get(f"/kit-rpc/{kit.serial}/version")) == (502, "TimedOut")
    # As if it had had ten minutes: only its start can free it now.
    await until(
        lambda: hasty.run_sql(
            "UPDATE kit_commands SET answer_by = answer_by + interval '10 min' WHERE state = 'failed' "
            "RETURNING id"
        ),
        "it is noted that the kit did not answer",
    )
    virtual.reboot()
    await free(hasty, kit)


def answer(command_id: int, result: KitResult) -> bytes:
    return encode_kit_rpc_response(KitRpcResponse(id=command_id, result=result))


def text(words: bytes, metadata: str = "null") -> PeripheralCommandResult:
    return PeripheralCommandResult(media_type="text/plain", data=words, metadata=metadata)


class Puppet:
    """A connected kit whose answers are set by the test."""

    def __init__(self, world: RpcWorld, kit: CreatedKit) -> None:
        self._world = world
        self.kit = kit

    def say(self, payload: bytes, serial: str | None = None) -> None:
        topic = KitTopic(serial=serial or self.kit.serial, channel=TopicChannel.KIT_RPC_RESPONSE)
        self._world.rpc.answers.answer_arrived(str(topic), payload)

    async def asked(self) -> int:
        """Return the id of the command that the kit has now."""
        found: list[Any] = []

        async def is_sent() -> bool:
            found[:] = await self._world.run_sql(
                "SELECT id FROM kit_commands WHERE kit_id = :kit AND state = 'sent'", kit=self.kit.id
            )
            return bool(found)

        await until(is_sent, "the kit is asked")
        return int(found[0].id)


@pytest.fixture
async def puppet(rpc_installation: RpcWorld) -> Puppet:
    kit = await rpc_installation.make_kit()
    await rpc_installation.start(kit, "no-answer:1")
    return Puppet(rpc_installation, kit)


@pytest.mark.parametrize(
    ("result", "error", "words"),
    [
        (OtherError(), "RpcError(Other)", "does not say why"),
        (MethodNotFoundError(), "RpcError(MethodNotFound)", "does not know"),
        (RateLimitError(wait_ms=1500), "RpcError(RateLimit(1500ms))", "too often"),
        (VersionResult(version="1"), "InvalidResponse", "something else"),
        (UptimeResult(uptime_seconds=1), "InvalidResponse", "something else"),
        (text(b"ok", "no JSON"), "MalformedResponse", "cannot be read"),
        (text(b"Error: heater on fire"), "CommandFailed", "heater on fire"),
        (text(b"Error: "), "CommandFailed", "does not take this command"),
        (text(b"Error: \xff\x00"), "CommandFailed", "reports"),
    ],
)
async def test_whatever_is_wrong_with_an_answer_has_its_name(
    rpc_installation: RpcWorld, puppet: Puppet, result: KitResult, error: str, words: str
) -> None:
    asking = asyncio.create_task(rpc_installation.command(puppet.kit, "Heater", {"heat": 1}))
    puppet.say(answer(await puppet.asked(), result))
    response = await asking
    assert error_of(response) == (502, error)
    assert words in response.json()["detail"]
    assert response.json()["type"] == "/probs/kit-rpc"


async def test_answers_that_nobody_asked_for_do_no_harm(rpc_installation: RpcWorld, puppet: Puppet) -> None:
    world = rpc_installation
    other = await world.make_kit()
    asking = asyncio.create_task(world.command(puppet.kit, "Heater", {"heat": 1}))
    command_id = await puppet.asked()
    fine = answer(command_id, text(b"ok"))
    for payload in (b"", b"\xff" * 99, answer(2**64 - 1, text(b"ok")), answer(0, text(b"ok"))):
        puppet.say(payload)
        await until(lambda: not world.rpc.answers.open_answers, "the answer is dealt with")
    puppet.say(fine, other.serial)
    puppet.say(fine, "k-unknown")
    # Large ones are not even looked into, unless the kit is asked something.
    puppet.say(answer(command_id, text(bytes(200_000))), other.serial)
    await until(lambda: not world.rpc.answers.open_answers, "the answers are dealt with")
    assert not asking.done()
    puppet.say(fine)
    assert (await asking).content == b"ok"
    puppet.say(unreadable(command_id))
    await until(lambda: not world.rpc.answers.open_answers, "the last answer is dealt with")
    assert world.rpc.answers.receptions == {"unreadable": 2, "unasked": 5, "expected": 1, "repeated": 1}


async def test_a_kit_that_floods_us_with_answers_does_not_push_out_others(
    rpc_installation: RpcWorld, puppet: Puppet
) -> None:
    world = rpc_installation
    asking = asyncio.create_task(world.command(puppet.kit, "Heater", {"heat": 1}))
    command_id = await puppet.asked()
    flooding = await world.make_kit()
    for number in range(500):
        puppet.say(answer(number, text(b"x")), flooding.serial)
    puppet.say(answer(command_id, text(b"ok")))
    assert (await asking).content == b"ok"
    assert world.rpc.answers.receptions["dropped"] > 400


async def test_a_large_picture_comes_whole(rpc_installation: RpcWorld, puppet: Puppet) -> None:
    picture = bytes(range(1, 256)) * 20_000
    asking = asyncio.create_task(rpc_installation.command(puppet.kit, "Camera", "uniform"))
    result = PeripheralCommandResult(media_type="image/jpeg", data=picture, metadata="null")
    puppet.say(answer(await puppet.asked(), result))
    response = await asking
    assert response.content == picture
    assert response.headers["content-type"] == "image/jpeg"
    assert response.headers["content-length"] == str(len(picture))
    (line,) = await rpc_installation.ledger(puppet.kit)
    assert (line["resultType"], line["resultSize"], line["resultText"]) == ("image/jpeg", len(picture), None)


@pytest.mark.parametrize(
    ("declared", "sent_as", "is_saved"),
    [
        ("image/png", "image/png", False),
        ("text/plain", "text/plain", False),
        ("text/html", "text/html", True),
        ("image/svg+xml", "image/svg+xml", True),
        ("text/plain\r\nX-Evil: yes", "application/octet-stream", True),
        ("", "application/octet-stream", True),
        ("Grüße/Köln", "application/octet-stream", True),
    ],
)
async def test_nothing_that_a_kit_returns_can_run_in_the_browser(
    rpc_installation: RpcWorld, puppet: Puppet, declared: str, sent_as: str, is_saved: bool
) -> None:
    asking = asyncio.create_task(rpc_installation.command(puppet.kit, "Camera", "art"))
    result = PeripheralCommandResult(media_type=declared, data=b"<script>", metadata="{}")
    puppet.say(answer(await puppet.asked(), result))
    headers = (await asking).headers
    assert headers["content-type"] == sent_as
    assert headers.get("content-disposition") == ("attachment" if is_saved else None)
    assert headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert headers["x-content-type-options"] == "nosniff"
    assert "x-evil" not in headers


async def test_only_the_newest_results_of_a_kit_are_kept(rpc_installation: RpcWorld, puppet: Puppet) -> None:
    world = rpc_installation
    for _ in range(7):
        asking = asyncio.create_task(world.command(puppet.kit, "Camera", "art"))
        result = PeripheralCommandResult(media_type="image/png", data=b"picture", metadata="null")
        puppet.say(answer(await puppet.asked(), result))
        assert (await asking).status_code == 200
    lines = await world.ledger(puppet.kit)
    assert [line["hasResult"] for line in lines] == [False] * 2 + [True] * 5
    gone = await world.get(f"/kits/{puppet.kit.serial}/commands/{lines[0]['id']}/result")
    assert gone.status_code == 410
    there = await world.get(f"/kits/{puppet.kit.serial}/commands/{lines[-1]['id']}/result")
    assert (there.status_code, there.content) == (200, b"picture")
