"""A virtual kit through a real broker, with a server in the test that answers as kit-mqtt 4.2 specifies."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from virtual_kit_helpers import BAROMETER_ID, PASSWORD, SERIAL, STANDARD, ScriptedServer, mosquitto, running

from hortus.protocol.wire.codec import decode_aggregate_measurement, decode_raw_measurement
from hortus.protocol.wire.messages import (
    ActiveConfigurationCall,
    KitCall,
    KitResult,
    KitRpcRequest,
    KitRpcResponse,
    LockOperation,
    PeripheralCommandCall,
    PeripheralCommandLockCall,
    PeripheralCommandLockResult,
    PeripheralCommandResult,
    QuantityTypesCall,
    ServerRpcRequest,
    UptimeCall,
    UptimeResult,
    VersionCall,
    VersionResult,
)
from hortus.protocol.wire.rpc_codec import (
    decode_kit_rpc_response,
    decode_server_rpc_request,
    encode_kit_rpc_request,
)
from hortus.simulator.fleet import Fleet
from hortus.simulator.kit import VirtualKit
from hortus.simulator.kit_connection import LinkSettings
from hortus.simulator.options import BootTimes, KitCredentials, SimulatorOptions
from programs import free_port
from waiting import until

# A minute of kit time in half a second: a barometer measures every 42 ms and aggregates every 500 ms.
SPEED = 120


@dataclass
class Scene:
    server: ScriptedServer
    kit: VirtualKit
    directory: Path
    next_id: int = 0

    async def call(self, call: KitCall) -> KitResult:
        request = KitRpcRequest(id=self.next_id, call=call)
        self.next_id += 1
        await self.server.publish(f"kit/{SERIAL}/kit-rpc/request", encode_kit_rpc_request(request))
        await until(lambda: self._answer(request.id), f"the kit answers {call}")
        answer = self._answer(request.id)
        assert answer is not None
        return answer.result

    def _answer(self, request_id: int) -> KitRpcResponse | None:
        answers = map(decode_kit_rpc_response, self.server.payloads("kit-rpc/response"))
        return next((answer for answer in answers if answer.id == request_id), None)


@asynccontextmanager
async def scene(
    directory: Path, *, configurations: list[str | None] | None = None, ask_again_seconds: float = 60.0
) -> AsyncIterator[Scene]:
    port = free_port()
    options = SimulatorOptions(
        port=port,
        speed=SPEED,
        link=LinkSettings(first_reconnect_seconds=0.05),
        boot=BootTimes(ask_again_seconds=ask_again_seconds),
    )
    server = ScriptedServer(port, configurations or [STANDARD])
    kit = VirtualKit(KitCredentials(serial=SERIAL, password=PASSWORD), options)
    async with mosquitto(directory, port), running(server.run()):
        await server.subscribed.wait()
        async with running(kit.run()):
            yield Scene(server, kit, directory)


async def test_it_asks_for_its_configuration_then_the_quantity_types_then_measures(tmp_path: Path) -> None:
    async with scene(tmp_path) as stage:
        await until(lambda: len(stage.server.payloads("measurement/raw")) >= 3, "the kit measures")
        suffixes = [topic.removeprefix(f"kit/{SERIAL}/") for topic, _ in stage.server.messages]
        requests = [decode_server_rpc_request(p) for p in stage.server.payloads("server-rpc/request")]
    assert suffixes[:7] == [
        "server-rpc/request",
        "server-rpc/response",
        "server-rpc/request",
        "server-rpc/response",
        "measurement/raw",
        "measurement/raw",
        "measurement/raw",
    ]
    assert requests == [
        ServerRpcRequest(id=0, call=ActiveConfigurationCall()),
        ServerRpcRequest(id=1, call=QuantityTypesCall()),
    ]


async def test_a_round_of_measurements_has_one_plausible_reading_per_quantity(tmp_path: Path) -> None:
    begin = datetime.now(UTC)
    async with scene(tmp_path) as stage:
        await until(lambda: len(stage.server.payloads("measurement/raw")) >= 3, "the kit measures")
        readings = [decode_raw_measurement(p) for p in stage.server.payloads("measurement/raw")[:3]]
    assert [(r.peripheral, r.quantity_type, r.kit_serial) for r in readings] == [
        (BAROMETER_ID, 1, ""),
        (BAROMETER_ID, 2, ""),
        (BAROMETER_ID, 3, ""),
    ]
    assert {uuid.UUID(bytes=r.id).version for r in readings} == {4}
    temperature, pressure, humidity = (r.value for r in readings)
    assert 5 < temperature < 40
    assert 960 < pressure < 1050
    assert 10 < humidity < 100
    for reading in readings:
        stamped = datetime.fromtimestamp(reading.datetime_ms / 1000, UTC)
        assert begin - timedelta(milliseconds=1) <= stamped <= datetime.now(UTC)


async def test_an_aggregate_summarizes_the_raw_readings_of_its_window(tmp_path: Path) -> None:
    async with scene(tmp_path) as stage:
        await until(lambda: len(stage.server.payloads("measurement/aggregate")) >= 3, "a window closes")
        aggregates = [
            decode_aggregate_measurement(p) for p in stage.server.payloads("measurement/aggregate")[:3]
        ]
        raw = [decode_raw_measurement(p) for p in stage.server.payloads("measurement/raw")]
    assert [a.quantity_type for a in aggregates] == [1, 2, 3]
    for aggregate in aggregates:
        assert [kind for kind, _ in aggregate.values] == ["count", "average", "minimum", "maximum"]
        values = dict(aggregate.values)
        window = [r.value for r in raw if r.quantity_type == aggregate.quantity_type][: int(values["count"])]
        assert values["count"] == len(window) > 1
        assert values["minimum"] == min(window)
        assert values["maximum"] == max(window)
        assert abs(values["average"] - sum(window) / len(window)) < 1e-6
        assert aggregate.datetime_start_ms < aggregate.datetime_end_ms


async def test_it_answers_version_and_uptime(tmp_path: Path) -> None:
    async with scene(tmp_path) as stage:
        await until(lambda: stage.kit.measuring, "the kit runs")
        assert await stage.call(VersionCall()) == VersionResult(version="1.0.0b8")
        uptime = await stage.call(UptimeCall())
    assert isinstance(uptime, UptimeResult)
    assert 0 <= uptime.uptime_seconds < 60


async def test_heating_warms_the_chamber_and_the_fan_cools_it_again(tmp_path: Path) -> None:
    async with scene(tmp_path) as stage:
        await until(lambda: stage.kit.measuring, "the kit runs")
        before = stage.kit.chamber_state().temperature_celsius
        fans_off = PeripheralCommandCall(peripheral="Fans", command='{"intensity": 0}')
        ok = PeripheralCommandResult(media_type="text/plain", data=b"ok", metadata="null")
        assert await stage.call(fans_off) == ok
        assert await stage.call(PeripheralCommandCall(peripheral="Heater", command='{"heat": 100}')) == ok

        def newest_celsius() -> float:
            readings = map(decode_raw_measurement, stage.server.payloads("measurement/raw"))
            return [r.value for r in readings if r.quantity_type == 1][-1]

        await until(lambda: newest_celsius() > before + 5, "the readings show the warmth")
        await stage.call(PeripheralCommandCall(peripheral="Heater", command='{"heat": 0}'))
        await stage.call(PeripheralCommandCall(peripheral="Fans", command='{"intensity": 100}'))
        await until(lambda: newest_celsius() < before + 4, "the readings show the cooling")


async def test_a_lamp_command_sets_only_the_colours_it_names(tmp_path: Path) -> None:
    async with scene(tmp_path) as stage:
        await until(lambda: stage.kit.measuring, "the kit runs")
        all_on = '{"blue": 100, "red": 100, "farRed": 100}'
        await stage.call(PeripheralCommandCall(peripheral="Lamp", command=all_on))
        await until(lambda: stage.kit.chamber_state().light_lux > 2100, "the lamp is on")
        bright_lux = stage.kit.chamber_state().light_lux
        await stage.call(PeripheralCommandCall(peripheral="Lamp", command='{"red": 0}'))
        await until(lambda: stage.kit.chamber_state().light_lux < bright_lux - 1000, "the red light is off")
        assert stage.kit.chamber_state().light_lux > 560


async def test_a_wrong_command_is_answered_with_an_error_text(tmp_path: Path) -> None:
    async with scene(tmp_path) as stage:
        await until(lambda: stage.kit.measuring, "the kit runs")
        for name, command, expected in [
            ("Heater", '{"heat": "much"}', b"Error: heat must be a number"),
            ("Heater", "[]", b"Error: the command must be an object with: heat"),
            ("Climate", "{}", b"Error: "),
        ]:
            result = await stage.call(PeripheralCommandCall(peripheral=name, command=command))
            assert result == PeripheralCommandResult(media_type="text/plain", data=expected, metadata="null")
        broken = await stage.call(PeripheralCommandCall(peripheral="Heater", command="{heat"))
        assert isinstance(broken, PeripheralCommandResult)
        assert broken.data.startswith(b"Error: ")


async def test_a_command_for_an_unknown_peripheral_is_answered_with_ok(tmp_path: Path) -> None:
    async with scene(tmp_path) as stage:
        await until(lambda: stage.kit.measuring, "the kit runs")
        result = await stage.call(PeripheralCommandCall(peripheral="Nobody", command="{}"))
    assert result == PeripheralCommandResult(media_type="text/plain", data=b"ok", metadata="null")


async def test_locks_are_answered_rather_than_fatal(tmp_path: Path) -> None:
    async with scene(tmp_path) as stage:
        await until(lambda: stage.kit.measuring, "the kit runs")
        seen = []
        for operation in ["status", "acquire", "status", "release", "release"]:
            call = PeripheralCommandLockCall(peripheral="Heater", operation=LockOperation(operation))
            result = await stage.call(call)
            assert isinstance(result, PeripheralCommandLockResult)
            seen.append(result.locked)
    assert seen == [False, True, True, True, False]


async def test_undecodable_messages_do_not_disturb_it(tmp_path: Path) -> None:
    async with scene(tmp_path) as stage:
        await until(lambda: stage.kit.measuring, "the kit runs")
        for suffix in ["kit-rpc/request", "server-rpc/response"]:
            for payload in [b"", b"\xff\xff\xff", b"nonsense"]:
                await stage.server.publish(f"kit/{SERIAL}/{suffix}", payload)
        assert await stage.call(VersionCall()) == VersionResult(version="1.0.0b8")


async def test_without_an_active_configuration_it_asks_again_until_there_is_one(tmp_path: Path) -> None:
    async with scene(tmp_path, configurations=[None, None, STANDARD], ask_again_seconds=0.05) as stage:
        await until(lambda: stage.kit.measuring, "the kit runs")
        requests = [decode_server_rpc_request(p) for p in stage.server.payloads("server-rpc/request")]
    assert [type(request.call) for request in requests] == [
        ActiveConfigurationCall,
        ActiveConfigurationCall,
        ActiveConfigurationCall,
        QuantityTypesCall,
    ]


async def test_after_a_reboot_it_runs_the_new_configuration(tmp_path: Path) -> None:
    other = json.loads(STANDARD)
    other["peripherals"][0]["peripheral"]["id"] = 2001
    async with scene(tmp_path, configurations=[STANDARD, json.dumps(other)]) as stage:
        await until(lambda: stage.kit.measuring, "the kit runs")
        stage.kit.reboot()
        await until(
            lambda: any(
                decode_raw_measurement(p).peripheral == 2001 for p in stage.server.payloads("measurement/raw")
            ),
            "the new peripheral measures",
        )


async def test_no_aggregate_is_lost_when_the_connection_is_cut_again_and_again(tmp_path: Path) -> None:
    async with scene(tmp_path) as stage:

        def arrived() -> int:
            payloads = stage.server.payloads("measurement/aggregate")
            return len({decode_aggregate_measurement(payload).id for payload in payloads})

        for cuts in range(5):
            await until(lambda cuts=cuts: stage.kit.counts.connections > cuts, "the kit is back")  # type: ignore[misc]
            sent = stage.kit.counts.aggregates_sent
            await until(lambda sent=sent: stage.kit.counts.aggregates_sent > sent, "a window closes")  # type: ignore[misc]
            stage.kit.cut_connection()
        stage.kit.stop_measuring()
        await until(lambda: stage.kit.unfinished_messages == 0, "everything is acknowledged")
        counts = stage.kit.counts
        await until(lambda: arrived() == counts.aggregates_sent, "all aggregates have arrived")
    assert counts.aggregates_acknowledged == counts.aggregates_sent >= 5


async def test_a_fleet_runs_many_kits_and_drains(tmp_path: Path) -> None:
    port = free_port()
    options = SimulatorOptions(port=port, speed=SPEED, stagger_seconds=0.0, raw_qos=1)
    serials = [f"k-{number:04}" for number in range(20)]
    server = ScriptedServer(port)
    fleet = Fleet([KitCredentials(serial=serial, password=PASSWORD) for serial in serials], options)
    async with mosquitto(tmp_path, port), running(server.run()):
        await server.subscribed.wait()
        async with running(fleet.run()):
            await until(lambda: fleet.status().measuring == 20, "all kits measure")
            await until(lambda: fleet.status().counts.aggregates_sent >= 60, "windows close")
            assert await fleet.drain(20)
            status = fleet.status()
            readings = status.counts.raw_sent
            await until(
                lambda: sum(len(server.payloads("measurement/raw", serial)) for serial in serials) >= readings,
                "the server has all readings",
            )
    assert (status.kits, status.started, status.connected, status.unfinished_messages) == (20, 20, 20, 0)
    assert status.counts.raw_acknowledged == status.counts.raw_sent > 60
    assert status.counts.aggregates_acknowledged == status.counts.aggregates_sent >= 60
    assert status.counts.raw_lost == status.counts.discarded == 0


async def test_a_fleet_that_was_told_to_stop_starts_no_more_kits() -> None:
    fleet = Fleet([KitCredentials(serial=SERIAL, password=PASSWORD)], SimulatorOptions())
    fleet.stop_measuring()
    await fleet.run()
    assert fleet.status().started == 0


async def test_it_connects_by_itself_when_the_broker_comes_later(tmp_path: Path) -> None:
    port = free_port()
    options = SimulatorOptions(
        port=port,
        speed=SPEED,
        link=LinkSettings(first_reconnect_seconds=0.02, longest_reconnect_seconds=0.1),
        # The kit may start before the server, and then its first question is lost.
        boot=BootTimes(answer_timeout_seconds=0.5, ask_again_seconds=0.1),
    )
    server = ScriptedServer(port)
    kit = VirtualKit(KitCredentials(serial=SERIAL, password=PASSWORD), options)
    async with running(kit.run()):
        await asyncio.sleep(0)
        async with mosquitto(tmp_path, port), running(server.run()):
            await until(lambda: kit.measuring, "the kit has found the broker")
