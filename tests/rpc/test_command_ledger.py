"""Commands without a waiting caller, the ledger, and permissions."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from rpc_world import RpcWorld, make_person, serving_api

from hortus.flow.commands.store import MOST_WAITING
from waiting import until

HEAT = {"method": "peripheralCommand", "peripheral": "Heater", "command": {"heat": 4}}


async def ended(world: RpcWorld, location: str) -> dict[str, Any]:
    found: dict[str, Any] = {}

    async def has_ended() -> bool:
        found.update((await world.get(location)).json())
        return found["state"] not in {"waiting", "sent"}

    await until(has_ended, "the command has ended")
    return found


async def test_a_command_is_sent_without_waiting_and_looked_up_later(rpc_installation: RpcWorld) -> None:
    world = rpc_installation
    kit = await world.make_kit()
    await world.start(kit)
    accepted = await world.post(f"/kits/{kit.serial}/commands", HEAT)
    assert accepted.status_code == 202
    location = accepted.headers["location"]
    assert location == f"/kits/{kit.serial}/commands/{accepted.json()['id']}"
    command = await ended(world, location)
    assert (command["state"], command["resultText"], command["hasResult"]) == ("succeeded", "ok", True)
    result = await world.get(f"{location}/result")
    assert (result.status_code, result.content) == (200, b"ok")
    assert (await world.client.request("DELETE", location, headers=world.headers)).status_code == 409


async def test_who_misspells_a_method_is_told_how_to_spell_it(rpc_installation: RpcWorld) -> None:
    kit = await rpc_installation.make_kit()
    response = await rpc_installation.post(f"/kits/{kit.serial}/commands", {"method": "peripheralcommand"})
    assert response.status_code == 400
    assert "'peripheralCommand'" in response.json()["detail"]


async def test_a_command_that_waits_can_be_taken_back(rpc_installation: RpcWorld) -> None:
    world = rpc_installation
    kit = await world.make_kit()
    virtual = await world.start(kit, "no-answer:1")
    asking = asyncio.create_task(world.get(f"/kit-rpc/{kit.serial}/version"))
    await until(lambda: virtual.counts.questions, "the kit is busy")
    location = (await world.post(f"/kits/{kit.serial}/commands", HEAT)).headers["location"]
    assert (await world.get(f"{location}/result")).status_code == 409
    assert (await world.client.request("DELETE", location, headers=world.headers)).status_code == 200
    assert (await world.get(location)).json()["state"] == "cancelled"
    assert (await world.get(f"{location}/result")).status_code == 409
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert virtual.counts.questions == 1


async def test_whoever_goes_away_takes_the_waiting_command_back(rpc_installation: RpcWorld) -> None:
    world = rpc_installation
    kit = await world.make_kit()
    virtual = await world.start(kit, "no-answer:1")
    first = asyncio.create_task(world.get(f"/kit-rpc/{kit.serial}/version"))
    await until(lambda: virtual.counts.questions, "the kit is busy")
    second = asyncio.create_task(world.command(kit, "Heater", {"heat": 1}))
    await until(lambda: _count(world, "waiting", 1), "the second waits")
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    await until(lambda: _count(world, "cancelled", 1), "it is taken back")
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)


async def _count(world: RpcWorld, state: str, number: int) -> bool:
    rows = await world.run_sql("SELECT count(*) FROM kit_commands WHERE state = :state", state=state)
    return bool(rows[0][0] == number)


async def test_only_so_many_may_wait_for_a_kit_whichever_process_they_ask(rpc_installation: RpcWorld) -> None:
    world = rpc_installation
    kit = await world.make_kit()
    virtual = await world.start(kit, "no-answer:1")
    await world.post(f"/kits/{kit.serial}/commands", {"method": "version"})
    await until(lambda: virtual.counts.questions, "the kit is busy")
    async with serving_api(world.url) as other:
        path = f"/kits/{kit.serial}/commands"
        asked = [
            api.post(path, json=HEAT, headers=world.headers)
            for api in (world.client, other)
            for _ in range(MOST_WAITING)
        ]
        responses = await asyncio.gather(*asked)
    accepted = [each for each in responses if each.status_code == 202]
    refused = [each for each in responses if each.status_code == 429]
    assert (len(accepted), len(refused)) == (MOST_WAITING, MOST_WAITING)
    assert refused[0].json()["type"] == "/probs/rate-limit"
    assert "wait for this kit already" in refused[0].json()["detail"]


async def test_without_a_process_that_sends_people_are_told_at_once(rpc_installation: RpcWorld) -> None:
    world = rpc_installation
    kit = await world.make_kit()
    # The one that runs says so again every five seconds; this is as if it had stopped a minute ago.
    await world.run_sql("UPDATE kit_command_sending SET sending_until = now() - interval '1 min'")
    await world.run_sql("CREATE RULE nobody AS ON INSERT TO kit_command_sending DO INSTEAD NOTHING")
    response = await world.get(f"/kit-rpc/{kit.serial}/version")
    assert response.status_code == 503
    assert "hortus rpc" in response.json()["detail"]
    assert (await world.ledger(kit)) == []


async def test_a_command_that_never_got_its_turn_says_so_even_if_no_process_notes_it(
    rpc_installation: RpcWorld,
) -> None:
    world = rpc_installation
    kit = await world.make_kit()
    virtual = await world.start(kit, "no-answer:1")
    await world.post(f"/kits/{kit.serial}/commands", {"method": "version"})
    await until(lambda: virtual.counts.questions, "the kit is busy")
    location = (await world.post(f"/kits/{kit.serial}/commands", HEAT | {"waitSeconds": 1})).headers["location"]
    command = await ended(world, location)
    assert (command["state"], command["error"]) == ("failed", "NotSent")
    assert (await world.get(f"{location}/result")).status_code == 503


async def test_a_board_cannot_be_sent_anything(rpc_installation: RpcWorld) -> None:
    world = rpc_installation
    kit = await world.make_kit()
    await world.run_sql("INSERT INTO boards (kit_id, sensor_id) VALUES (:kit, 7)", kit=kit.id)
    response = await world.get(f"/kit-rpc/{kit.serial}/version")
    assert response.status_code == 409
    assert "board" in response.json()["detail"]


async def test_the_ledger_is_read_page_by_page(rpc_installation: RpcWorld) -> None:
    world = rpc_installation
    kit = await world.make_kit()
    await world.run_sql(
        "INSERT INTO kit_commands (kit_id, method, state, requested_at, give_up_at, finished_at) "
        "SELECT :kit, 'version', 'cancelled', now(), now(), now() FROM generate_series(1, 120)",
        kit=kit.id,
    )
    path, seen = f"/kits/{kit.serial}/commands", []
    while path:
        page = await world.get(path)
        seen += [line["id"] for line in page.json()]
        path = page.headers.get("link", "").partition(">")[0].removeprefix("<")
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == 120


@pytest.mark.parametrize(
    ("role", "may_send", "may_read"),
    [
        ("nobody", 401, 401),
        ("stranger", 404, 404),
        ("member", 403, 403),
        ("configurer", 403, 200),
        ("super", 202, 200),
    ],
)
async def test_who_may_send_commands_and_read_the_ledger(
    rpc_installation: RpcWorld, role: str, may_send: int, may_read: int
) -> None:
    world = rpc_installation
    kit = await world.make_kit()
    user_id, headers = await make_person(world.engine)
    if role in {"member", "configurer", "super"}:
        await world.run_sql(
            "INSERT INTO kit_memberships (user_id, kit_id, datetime_linked, access_super, access_configure) "
            "VALUES (:user, :kit, now(), :super, :configure)",
            user=user_id,
            kit=kit.id,
            super=role == "super",
            configure=role == "configurer",
        )
    if role == "nobody":
        headers = {}
    await world.post(f"/kits/{kit.serial}/commands", {"method": "version"})
    (line,) = await world.ledger(kit)
    path = f"/kits/{kit.serial}/commands"
    sent = await world.client.post(path, json={"method": "uptime"}, headers=headers)
    read = await world.client.get(path, headers=headers)
    one = await world.client.get(f"{path}/{line['id']}", headers=headers)
    asked = await world.client.get(f"/kit-rpc/{kit.serial}/version", headers=headers)
    assert (sent.status_code, read.status_code, one.status_code) == (may_send, may_read, may_read)
    assert asked.status_code == (502 if may_send == 202 else may_send)
    result = await world.client.get(f"{path}/{line['id']}/result", headers=headers)
    assert result.status_code == (502 if may_send == 202 else may_send)


async def test_a_command_of_another_kit_is_not_found(rpc_installation: RpcWorld) -> None:
    world = rpc_installation
    kit, other = await world.make_kit(), await world.make_kit()
    accepted = await world.post(f"/kits/{kit.serial}/commands", {"method": "version"})
    path = f"/kits/{other.serial}/commands/{accepted.json()['id']}"
    assert (await world.get(path)).status_code == 404
    assert (await world.get(f"/kits/{kit.serial}/commands/{2**63}")).status_code == 400
