"""The table of kit-mqtt 4.6: each row is tried through the real code, and does not reach the kit."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import aiomqtt
import pytest
from raw_kit import RawKit, raw_kit
from rpc_world import RpcWorld
from sqlalchemy.exc import IntegrityError

from hortus.domain.kits.store import NewPeripheral
from hortus.flow.commands.command import Method, Question
from hortus.flow.commands.sending import claim
from hortus.flow.rpc.pacing import AT_ONCE
from hortus.protocol.wire.codec import (
    decode_kit_rpc_request,
    encode_server_rpc_request,
)
from hortus.protocol.wire.messages import (
    ActiveConfigurationCall,
    ActiveConfigurationResult,
    MethodNotFoundError,
    OtherError,
    PeripheralCommandCall,
    QuantityTypesCall,
    RateLimitError,
    ServerRpcRequest,
    UptimeCall,
    VersionCall,
)
from waiting import until

HARMLESS_CALLS = (VersionCall, UptimeCall, PeripheralCommandCall)


async def everything_sent_has_arrived(world: RpcWorld, kit: RawKit) -> None:
    """Wait until everything sent to the kit so far has arrived: ask for the version, which arrives last."""
    count = len(kit.payloads("kit-rpc/request"))
    asking = asyncio.create_task(world.get(f"/kit-rpc/{kit.serial}/version"))
    await until(lambda: len(kit.payloads("kit-rpc/request")) > count, "the question has arrived")
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)


async def sends_no_lock(world: RpcWorld, kit: RawKit) -> None:
    body = {"method": "peripheralCommandLock", "peripheral": "Heater", "command": "acquire"}
    assert (await world.post(f"/kits/{kit.serial}/commands", body)).status_code == 400
    response = await world.post(f"/kit-rpc/{kit.serial}/peripheral-command-lock", body)
    assert response.status_code == 404
    with pytest.raises(ValueError, match="peripheralCommandLock"):
        Method("peripheralCommandLock")
    await everything_sent_has_arrived(world, kit)
    requests = [decode_kit_rpc_request(each) for each in kit.payloads("kit-rpc/request")]
    assert [type(each.call) for each in requests] == [VersionCall]


async def sends_no_method_that_a_kit_does_not_know(world: RpcWorld, kit: RawKit) -> None:
    for method in ("reboot", "", "VERSION"):
        assert (await world.post(f"/kits/{kit.serial}/commands", {"method": method})).status_code == 400
    # Whatever can be written down as a question is one of three.
    questions = [Question(method=method, peripheral="P", command_json="1") for method in Method]
    assert {type(question.call) for question in questions} == set(HARMLESS_CALLS)


async def answers_no_rate_limit(world: RpcWorld, kit: RawKit) -> None:
    asked = AT_ONCE + 2
    # All at once: every two seconds, one more would be allowed.
    await asyncio.gather(*(kit.ask(number, QuantityTypesCall()) for number in range(asked)))
    # Those beyond the limit come too, only later.
    await until(lambda: len(kit.answers) == asked, "all answers have come")
    assert not any(isinstance(answer.result, RateLimitError | OtherError) for answer in kit.answers)
    assert world.rpc.responder.held_back >= 1


async def answers_only_what_can_be_read(world: RpcWorld, kit: RawKit) -> None:
    unknown_method = bytearray(encode_server_rpc_request(ServerRpcRequest(id=7, call=QuantityTypesCall())))
    unknown_method[unknown_method.rindex(1)] = 99
    for payload in (b"", b"\xff" * 40, bytes(900), bytes(unknown_method)):
        await kit.send(payload)
    await world.run_sql("ALTER TABLE quantity_types RENAME TO away")
    await kit.ask(8, QuantityTypesCall())
    await until(lambda: any(each.id == 8 for each in kit.answers), "the kit is answered without a database")
    await world.run_sql("ALTER TABLE away RENAME TO quantity_types")
    await kit.ask(9, VersionCall())
    await until(lambda: any(each.id == 9 for each in kit.answers), "the last question is answered")
    results = {answer.id: answer.result for answer in kit.answers}
    assert (results[7], results[8]) == (MethodNotFoundError(), OtherError())
    # Not even by hand: an empty message would end the kit's program.
    assert world.endpoint.publish(f"kit/{kit.serial}/server-rpc/response", b"") == 0
    assert all(kit.payloads("server-rpc/response"))


async def publishes_nothing_retained(world: RpcWorld, kit: RawKit) -> None:
    await kit.ask(0, ActiveConfigurationCall())
    await until(lambda: kit.answers, "the kit has its configuration")
    await everything_sent_has_arrived(world, kit)
    assert not any(message.retain for message in kit.messages)
    # Not even what a person publishes so is kept for the kit's next start.
    topic = f"kit/{kit.serial}/server-rpc/response"
    async with aiomqtt.Client(
        "127.0.0.1", world.mqtt_port, username="server", password="server password"
    ) as person:
        await person.publish(topic, b"for ever", qos=1, retain=True)
    await kit.client.subscribe(topic, qos=1)
    world.endpoint.publish(topic, b"end")
    await until(lambda: b"end" in kit.payloads("server-rpc/response"), "the last message has come")
    assert kit.payloads("server-rpc/response").count(b"for ever") == 1
    assert not any(message.retain for message in kit.messages)


async def has_never_two_requests_outstanding(world: RpcWorld, kit: RawKit) -> None:
    asking = [asyncio.create_task(world.get(f"/kit-rpc/{kit.serial}/version")) for _ in range(3)]
    await until(lambda: kit.payloads("kit-rpc/request"), "the kit is asked")
    await until(lambda: _waiting(world, 2), "the others wait")
    # No worker can take another one, whichever it is and wherever it runs.
    async with world.engine.begin() as connection:
        assert await claim(connection, 30) is None
    with pytest.raises(IntegrityError, match="one_outstanding_per_kit"):
        await world.run_sql("UPDATE kit_commands SET occupies_kit = true")
    assert len(kit.payloads("kit-rpc/request")) == 1
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)


async def _waiting(world: RpcWorld, number: int) -> bool:
    rows = await world.run_sql("SELECT count(*) FROM kit_commands WHERE state = 'waiting'")
    return bool(rows[0][0] == number)


async def serves_no_configuration_that_crashes(world: RpcWorld, kit: RawKit) -> None:
    await kit.ask(0, ActiveConfigurationCall())
    await until(lambda: kit.answers, "the kit is answered")
    assert isinstance(kit.answers[0].result, ActiveConfigurationResult)
    for number, (way, (break_it, mend_it)) in enumerate(CRASHES.items(), start=1):
        await world.run_sql(break_it)
        await kit.ask(number, ActiveConfigurationCall())
        await until(lambda seen=number: len(kit.answers) > seen, f"the kit is answered ({way})")
        assert kit.answers[-1].result == OtherError(), way
        await world.run_sql(mend_it)
    await kit.ask(9, ActiveConfigurationCall())
    await until(lambda: kit.answers[-1].id == 9, "the kit is answered again")
    assert isinstance(kit.answers[-1].result, ActiveConfigurationResult)
    # Two of one name cannot even be stored.
    with pytest.raises(Exception, match="peripherals_kit_configuration_id_name_key"):
        await world.make_kit(
            peripherals=(
                NewPeripheral(definition="Virtual heater", name="Heater", configuration=None),
                NewPeripheral(definition="Virtual heater", name="Heater", configuration=None),
            )
        )


def _camera(*, symbol: str, command: str) -> str:
    schedule = f'{{"schedule": [{{"time": "12:00:00", "command": {command}}}]}}'
    definition = f"(SELECT id FROM peripheral_definitions WHERE symbol = '{symbol}')"
    return (
        f"UPDATE peripherals SET configuration = '{schedule}', "
        f"peripheral_definition_id = {definition} WHERE name = 'Camera'"
    )


def _heat_at_midnight(value: object) -> str:
    scheduled = {"interpolated": False, "schedules": [{"schedule": [{"time": "00:00", "value": value}]}]}
    output = {"Heater": {"heat": {"type": "scheduled", "scheduled": scheduled}}}
    return json.dumps({"fuzzyControl": {"input": {}, "output": output, "rules": []}})


# What would crash a kit at boot: how it comes about behind the API's back, and how it is mended.
CRASHES = {
    "a module that no kit has": (
        "UPDATE peripheral_definitions SET symbol_location = 'peripheral' WHERE name = 'Virtual barometer'",
        (
            "UPDATE peripheral_definitions SET symbol_location = 'astroplant_simulation.sensors' "
            "WHERE name = 'Virtual barometer'"
        ),
    ),
    "a required key is missing": (
        "UPDATE peripherals SET configuration = json_build_object('was', configuration) WHERE name = 'Climate'",
        "UPDATE peripherals SET configuration = configuration -> 'was' WHERE name = 'Climate'",
    ),
    "a camera that is told what is no command": (
        _camera(symbol="PiCameraV2", command="[{}]"),
        _camera(symbol="Random", command='"art"'),
    ),
    "a definition whose schema refers to nothing": (
        (
            "UPDATE peripheral_definitions SET configuration_schema = json_build_object('$ref', '#/away', "
            "'was', configuration_schema) WHERE name = 'Virtual heater'"
        ),
        (
            "UPDATE peripheral_definitions SET configuration_schema = configuration_schema -> 'was' "
            "WHERE name = 'Virtual heater'"
        ),
    ),
    "control rules that send a heater a word": (
        f"UPDATE kit_configurations SET control_rules = '{_heat_at_midnight('hot')}'",
        "UPDATE kit_configurations SET control_rules = json_build_object()",
    ),
    "control rules that kits cannot read": (
        "UPDATE kit_configurations SET control_rules = json_build_object('fuzzyControl', json_build_object())",
        "UPDATE kit_configurations SET control_rules = json_build_object()",
    ),
}

NEVER: dict[str, Callable[[RpcWorld, RawKit], Awaitable[None]]] = {
    "send peripheralCommandLock": sends_no_lock,
    "send a kit RPC method the kit does not know": sends_no_method_that_a_kit_does_not_know,
    "answer error.rateLimit": answers_no_rate_limit,
    "send a server-rpc/response that does not decode, or an empty payload": answers_only_what_can_be_read,
    "publish retained": publishes_nothing_retained,
    "have two kit RPC requests outstanding for one kit": has_never_two_requests_outstanding,
    "serve a configuration that a kit cannot run": serves_no_configuration_that_crashes,
}


@pytest.mark.parametrize("never", NEVER)
async def test_never(rpc_installation: RpcWorld, never: str) -> None:
    kit = await rpc_installation.make_kit()
    async with raw_kit(rpc_installation, kit) as raw:
        await NEVER[never](rpc_installation, raw)


async def test_questions_that_are_too_large_are_not_held_back_and_hold_nobody_back(
    rpc_installation: RpcWorld,
) -> None:
    responder = rpc_installation.rpc.responder
    kit = await rpc_installation.make_kit()
    async with raw_kit(rpc_installation, kit) as raw:
        for _ in range(AT_ONCE + 5):
            await raw.send(bytes(100_000))
        await raw.ask(1, VersionCall())
        await until(lambda: raw.answers, "the kit is answered")
    assert (responder.unreadable, responder.held_back, responder.dropped) == (AT_ONCE + 5, 0, 0)
